"""A token is one text, its times are numbers, and what is remembered of tokens is bounded."""

import time
import tracemalloc
from typing import Any

import jwt
import pytest

from api.settings import ApiSettings
from coupons.process import bearer
from coupons.process.bearer import LONGEST_TOKEN, InvalidToken, TokenVerifier
from coupons.process.token_keys import load_verifier
from tests.api.test_authentication import signed

DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


@pytest.fixture
def verifier(settings: ApiSettings) -> TokenVerifier:
    return load_verifier(settings)


def other_texts(token: str) -> list[str]:
    """The same token, written as a lenient decoder would read it too."""
    head, claims, signature = token.split(".")
    unused_bit = signature[:-1] + DIGITS[DIGITS.index(signature[-1]) | 1]
    standard = signature.replace("-", "+").replace("_", "/")
    others = [
        f"{token}=",
        f"{token}!",
        f"{token}~~~~",
        f"{token}\n",
        f"{head}.{claims}. {signature}",
    ]
    others += [f"{head}.{claims}.{other}" for other in (unused_bit, standard) if other != signature]
    return others


def test_a_token_has_no_second_text(verifier: TokenVerifier) -> None:
    # Enough tokens for some signatures to have the digits that differ between the alphabets.
    for user in range(1, 50):
        token = signed(sub=str(user))
        assert verifier.verify(token).user_id == user
        for other in other_texts(token):
            with pytest.raises(InvalidToken):
                verifier.verify(other)


@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
@pytest.mark.parametrize("value", ["1700000000", "nan", "inf", "-inf", "", None, True, [1], {}])
def test_a_time_that_is_no_number_is_refused(
    verifier: TokenVerifier, name: str, value: Any
) -> None:
    with pytest.raises(InvalidToken, match="must be a number"):
        verifier.verify(signed(**{name: value}))


@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_that_is_none_is_refused(verifier: TokenVerifier, name: str, value: Any) -> None:
    with pytest.raises(InvalidToken):
        verifier.verify(signed(**{name: value}))


def test_clocks_may_differ_by_the_leeway_and_no_more(settings: ApiSettings) -> None:
    now = time.time()
    within: list[dict[str, Any]] = [{"nbf": now + 90}, {"iat": now + 90}, {"exp": now - 10}]
    beyond: list[dict[str, Any]] = [{"nbf": now + 300}, {"iat": now + 300}, {"exp": now - 300}]
    lenient = load_verifier(settings.model_copy(update={"jwt_leeway_seconds": 100.0}))
    strict = load_verifier(settings.model_copy(update={"jwt_leeway_seconds": 0.0}))
    for claims in within:
        assert lenient.verify(signed(**claims)).user_id == 42
        with pytest.raises(InvalidToken):
            strict.verify(signed(**claims))
    for claims in beyond:
        with pytest.raises(InvalidToken):
            lenient.verify(signed(**claims))


def test_a_token_is_no_longer_than_its_limit(verifier: TokenVerifier) -> None:
    with pytest.raises(InvalidToken, match=str(LONGEST_TOKEN)):
        verifier.verify(signed(more="x" * LONGEST_TOKEN))


def test_what_is_not_valid_is_not_remembered(verifier: TokenVerifier) -> None:
    for token in (signed(exp=time.time() - 60), signed(aud="another"), signed()[:-2], "x" * 100):
        with pytest.raises(InvalidToken):
            verifier.verify(token)
    assert not verifier._cache._callers


def test_the_memory_for_tokens_is_bounded_in_bytes(
    verifier: TokenVerifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bearer, "MOST_CACHED_BYTES", 100_000)
    groups = ["g" * 60 + str(number) for number in range(10, 40)]
    for user in range(1, 300):
        assert verifier.verify(signed(sub=str(user), groups=groups)).user_id == user
    remembered = verifier._cache
    assert 0 < remembered._bytes <= 100_000
    sizes = [bearer._size(caller) for caller in remembered._callers.values()]
    assert remembered._bytes == sum(sizes)
    assert min(sizes) > 30 * 60


def test_scopes_that_nobody_knows_are_forgotten(verifier: TokenVerifier) -> None:
    made_up = " ".join(f"x{number}" for number in range(500))
    assert verifier.verify(signed(scope=f"coupon:issue {made_up}")).scopes == {"coupon:issue"}


def test_headers_of_strangers_are_not_kept(verifier: TokenVerifier) -> None:
    more: list[dict[str, str]] = [{}] * 1_000
    tracemalloc.start()
    try:
        for number in range(100):
            header = {"alg": "HS256", "number": number, "more": more}
            forged = jwt.encode({}, "the-secret-of-a-stranger-32-bytes!!", "HS256", header)
            with pytest.raises(InvalidToken, match="signature is wrong"):
                verifier.verify(forged)
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 1_000_000
