"""Rate limits of claims: who is limited, for how long, and what a limited claim is told."""

from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import Any

import pytest
from prometheus_client import Counter
from pydantic import ValidationError
from werkzeug.test import Client

from api.metrics import API_LIMITED_CLAIMS, API_UNCOUNTED_CLAIMS
from api.settings import ApiSettings
from chaos.link import Link
from coupons.gate import Gate
from coupons.gate.removal import remove_all_coupons
from coupons.waiting import eventually
from tests.api.limited_claims import HERE, LIMITED, Limited, limit_headers, seconds_left
from tests.api.test_contract import conforms, described
from tests.api.test_trouble import PATIENCE_SECONDS, is_503
from tests.support.api_process import Bearer


def _counted(counter: Counter, limit: str) -> float:
    return float(counter.labels(limit)._value.get())


def test_a_user_is_limited_and_nobody_else_of_the_address(limited: Limited) -> None:
    """Every answer says what is left, in the words of the draft."""
    claim = limited(api_claims_per_user="2/minute")
    policy = {"ratelimit-policy": '"user";q=2;w=60'}
    first, second, third = (claim(42) for _ in range(3))
    assert [each.status_code for each in (first, second, third)] == [202, 200, LIMITED]
    assert limit_headers(first) == {**policy, "ratelimit": '"user";r=1;t=60'}
    for each in (second, third):
        assert limit_headers(each) == {**policy, "ratelimit": f'"user";r=0;t={seconds_left(each)}'}
    assert third.headers["Retry-After"] == str(seconds_left(third))
    assert claim(43).status_code == 202


def test_a_limited_claim_gets_a_problem_of_a_type_of_its_own(limited: Limited) -> None:
    claim = limited(api_claims_per_user="1/minute")
    before = _counted(API_LIMITED_CLAIMS, "user")
    claim(42)
    answer = claim(42)
    assert answer.content_type == "application/problem+json"
    told = answer.get_json()
    assert told.pop("instance").startswith("urn:coupon-cdc:request:")
    assert told == {
        "type": "urn:coupon-cdc:problem:too-many-claims",
        "title": "Too many claims in a short time",
        "status": 429,
        "detail": "Too many claims come from this user: nothing was accepted. Claim again in"
        f" {seconds_left(answer)} s; a request that was accepted before can be read meanwhile.",
        "violated-policies": ["user"],
    }
    assert _counted(API_LIMITED_CLAIMS, "user") == before + 1


def test_the_description_has_limited_claims(limited: Limited, client: Client) -> None:
    document = client.get("/openapi.json").get_json()
    claim = limited(api_claims_per_user="1/minute")
    operation = described(document, "post", "/coupons/7/issue-requests")
    for status in ("202", str(LIMITED)):
        answer = claim(42)
        assert str(answer.status_code) == status
        conforms(document, operation, answer)
        assert set(limit_headers(answer)) <= {
            name.lower() for name in operation["responses"][status]["headers"]
        }


def test_after_the_time_that_it_was_told_a_user_may_claim(limited: Limited, gate: Gate) -> None:
    """Again and again: also in the windows that follow the first."""
    claim = limited(api_claims_per_user="2 per 2 seconds")

    def seconds_until_allowed() -> int:
        answer = claim(42)
        return int(answer.headers["Retry-After"]) if answer.status_code == LIMITED else 0

    def has_come(moment_us: int) -> bool:
        return gate.now_us() >= moment_us

    for _ in range(3):
        seconds = eventually(seconds_until_allowed)
        eventually(partial(has_come, gate.now_us() + seconds * 1_000_000))
        assert claim(42).status_code in (200, 202)


def test_an_unusual_claim_is_limited_too(limited: Limited) -> None:
    """A claim with a query string goes through Flask."""
    claim = limited(api_claims_per_user="1/minute")
    assert [claim(42, query="?x=1").status_code for _ in range(2)] == [202, LIMITED]
    assert claim(42).status_code == LIMITED


def test_a_limited_repetition_loses_nothing(
    limited: Limited, client: Client, bearer: Bearer, rows: Callable[[int], int]
) -> None:
    """The request that was accepted stays, and is read without a limit."""
    claim = limited(api_claims_per_user="1/minute")
    location = claim(42).headers["Location"]
    for _ in range(5):
        assert claim(42).status_code == LIMITED
        assert client.get(location, headers=bearer(42)).status_code == 200
    assert rows(7) == 1


def test_a_claim_without_a_valid_token_is_not_counted(
    settings: ApiSettings, limited: Limited
) -> None:
    claim = limited(api_claims_per_address="1/minute")
    for _ in range(3):
        refused = claim(42, Authorization="Bearer of-nobody")
        assert (refused.status_code, limit_headers(refused)) == (401, {})
    assert claim(42).status_code == 202


def test_a_refused_claim_says_what_is_left(limited: Limited, client: Client, admin: Any) -> None:
    """A refusal by the coupon counts, and has the headers as well."""
    assert client.post("/coupons/7/pause", headers=admin).status_code == 200
    answer = limited(api_claims_per_user="5/minute")(42)
    assert (answer.status_code, answer.headers["RateLimit"]) == (409, '"user";r=4;t=60')


def test_without_limits_no_response_has_their_headers(limited: Limited) -> None:
    claim = limited()
    answers = [claim(42) for _ in range(30)]
    assert {each.status_code for each in answers} == {202, 200}
    assert not any(limit_headers(each) for each in answers)


def test_without_redis_a_claim_is_told_what_it_is_told_anyway(
    limited: Limited, redis_link: Link
) -> None:
    """Whether it is down or silent, and again limited when it is back."""
    claim = limited(api_claims_per_user="1/minute")
    uncounted = API_UNCOUNTED_CLAIMS._value.get()
    redis_link.cut()
    is_503(claim(1), "gate-unavailable")
    assert API_UNCOUNTED_CLAIMS._value.get() == uncounted + 1
    redis_link.restore()
    assert [claim(1).status_code for _ in range(2)] == [202, LIMITED]
    redis_link.silence()
    began = monotonic()
    is_503(claim(1), "gate-unavailable")
    assert monotonic() - began < PATIENCE_SECONDS
    redis_link.restore()
    eventually(lambda: claim(1).status_code == LIMITED)


def test_a_spoilt_count_does_not_fail_the_claim(limited: Limited, gate: Gate) -> None:
    claim = limited(api_claims_per_user="1/minute")
    for spoilt in ("nonsense", ["a", "list"]):
        gate.client.delete("limit:{user:42:1/60}")
        if isinstance(spoilt, str):
            gate.client.set("limit:{user:42:1/60}", spoilt)
        else:
            gate.client.rpush("limit:{user:42:1/60}", *spoilt)
        answer = claim(42)
        assert (answer.status_code in (200, 202), limit_headers(answer)) == (True, {})


def test_counts_expire_and_are_no_keys_of_the_gate(limited: Limited, gate: Gate) -> None:
    """Redis keeps a user and an address for two windows at most."""
    claim = limited(api_claims_per_user="1 per 30 seconds", api_claims_per_address="9/minute")
    for user in range(1, 6):
        claim(user)
    kept = {str(key): gate.client.ttl(key) for key in gate.client.scan_iter("limit:*")}
    assert set(kept) == {
        *(f"limit:{{user:{user}:1/30}}" for user in range(1, 6)),
        f"limit:{{address:{HERE}:9/60}}",
    }
    assert all(0 < seconds <= 120 for seconds in kept.values())
    assert remove_all_coupons(gate) > 0
    assert set(map(str, gate.client.scan_iter())) == set(kept)


@pytest.mark.parametrize("name", ["api_claims_per_user", "api_claims_per_address"])
@pytest.mark.parametrize(
    "wrong",
    [
        *("20", "20/m", "x", "0/minute", "-1/minute", "20/minute;100/hour", "5/0 minutes"),
        *("2000000/minute", "5/month", "5 per 25 hours", " ", "1.5/minute"),
    ],
)
def test_what_is_no_limit_is_refused_at_the_start(
    settings: ApiSettings, name: str, wrong: str
) -> None:
    with pytest.raises(ValidationError, match="it is no limit: write one, such as 20/minute"):
        ApiSettings(**{**settings.model_dump(), name: wrong})
