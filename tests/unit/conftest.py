"""Verifiers of tokens by key sets, and an issuer that serves one."""

from collections.abc import Callable, Iterator

import pytest

from coupons.errors import KeysUnavailable
from coupons.process import rotating_keys
from coupons.process.bearer import InvalidToken
from coupons.process.rotating_keys import KeySetVerifier
from coupons.tokens import AUDIENCE
from coupons.waiting import eventually
from tests.support.issuers import Issuer, Key, issuer

A, B = "https://a.example", "https://b.example"
OLD, NEW, OTHER = Key("old"), Key("new", "ES256"), Key("old", "RS256")

Verifies = Callable[..., KeySetVerifier]


@pytest.fixture
def verifies() -> Iterator[Verifies]:
    """Makes verifiers of these sources, and ends them."""
    made: list[KeySetVerifier] = []

    def make(refresh: float = 3_600.0, max_age: float = 86_400.0, **at: str) -> KeySetVerifier:
        sources = {{"a": A, "b": B}[name]: source for name, source in at.items()}
        made.append(KeySetVerifier(sources, AUDIENCE, 0.0, refresh, max_age))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def server() -> Iterator[Issuer]:
    with issuer(OLD) as server:
        yield server


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """An unknown kid, or a failure, makes it read again at once."""
    monkeypatch.setattr(rotating_keys, "AGAIN_SECONDS", 0.02)


def answer(verifier: KeySetVerifier, token: str) -> str:
    """What the verifier says of a token, in a word."""
    try:
        return f"user {verifier.verify(token).user_id}"
    except InvalidToken:
        return "invalid"
    except KeysUnavailable:
        return "unavailable"


def until(verifier: KeySetVerifier, token: str, expected: str) -> None:
    eventually(lambda: answer(verifier, token) == expected, 10, f"the token is: {expected}")
