"""Who comes before a coupon opens is told when it does."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Any, cast

import pytest
import redis
from werkzeug.test import Client

from api.opening_times import OpeningTimes
from coupons.gate import Gate
from coupons.waiting import eventually
from tests.support.api import ANY_VERSION, RETRY_AFTER, NewCoupon

Headers = dict[str, str]
Claim = Callable[..., Any]


def in_seconds(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


def test_a_claim_that_is_too_early_is_told_when_to_come_back(
    new_coupon: NewCoupon, claim: Claim
) -> None:
    opens_at = in_seconds(300)
    coupon_id = new_coupon(issue_starts_at=opens_at)
    answer = claim(coupon_id, 1)
    assert (answer.status_code, answer.json["reason"]) == (409, "not_open")
    assert answer.json["opens_at"] == opens_at
    assert 290 <= int(answer.headers["Retry-After"]) <= 303


def test_one_that_is_much_too_early_is_told_the_time_alone(
    new_coupon: NewCoupon, claim: Claim
) -> None:
    answer = claim(new_coupon(issue_starts_at="2090-01-01T00:00:00Z"), 1)
    assert answer.json["opens_at"] == "2090-01-01T00:00:00.000000Z"
    assert "Retry-After" not in answer.headers


def test_the_gate_is_asked_once_for_all_who_are_too_early(
    new_coupon: NewCoupon, claim: Claim, valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.opening_times.FRESH_SECONDS", 60.0)
    coupon_id = new_coupon(issue_starts_at="2090-01-01T00:00:00Z")
    with redis.Redis.from_url(valkey_url, decode_responses=True) as client:
        client.config_resetstat()
        for user_id in range(1, 21):
            assert claim(coupon_id, user_id).json["opens_at"]
        asked = client.info("commandstats")["cmdstat_hget"]["calls"]
    assert asked - 20 in (1, 2, 3), "beside the one look of each claim's script at its user"


def test_those_who_are_turned_away_together_do_not_come_back_together(
    new_coupon: NewCoupon, claim: Claim
) -> None:
    coupon_id = new_coupon()
    told = {claim(coupon_id, user_id).headers["Retry-After"] for user_id in range(1, 41)}
    assert told == RETRY_AFTER


def test_a_change_of_the_opening_is_told_soon(
    new_coupon: NewCoupon, claim: Claim, client: Client, admin: Headers
) -> None:
    coupon_id = new_coupon(issue_starts_at="2090-01-01T00:00:00Z")
    assert claim(coupon_id, 1).json["opens_at"].startswith("2090")
    change = {"issue_starts_at": "2080-01-01T00:00:00Z"}
    assert (
        client.patch(f"/coupons/{coupon_id}", json=change, headers=admin | ANY_VERSION).status_code
        == 200
    )
    eventually(lambda: claim(coupon_id, 1).json["opens_at"].startswith("2080"), what="it is told")


class SlowGate:
    """In place of one that answers when it is told to: a slow server cannot be timed."""

    def __init__(self) -> None:
        self.goes_on = Event()

    def opens_at_us(self, _coupon_id: int) -> int:
        self.goes_on.wait(20)
        return 7


def test_who_is_too_early_does_not_wait_for_a_slow_gate_to_be_told_when(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gate = SlowGate()
    openings = OpeningTimes(cast("Gate", gate))
    monkeypatch.setattr("api.opening_times.ANSWER_SECONDS", 0.05)

    async def ask() -> list[int | None]:
        without = await openings.opens_at_us(1)
        gate.goes_on.set()
        # The same question is still being asked.
        monkeypatch.setattr("api.opening_times.ANSWER_SECONDS", 20)
        return [without, await openings.opens_at_us(1)]

    assert asyncio.run(ask()) == [None, 7]
