"""Long polls: told at once, never for ever, never too many."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from time import monotonic
from typing import Any

import pytest
from werkzeug.test import Client

from api.bootstrap import Api
from chaos.link import Link
from coupons.gate import Gate
from coupons.ids import request_id
from coupons.model import IssueRequest, Status
from coupons.waiting import eventually
from tests.support.api import RETRY_AFTER, NewCoupon
from tests.support.api_process import Bearer

Claim = Callable[..., Any]
NOW_US = 1_700_000_000_000_000


@pytest.fixture
def poll(client: Client, bearer: Bearer) -> Callable[..., Any]:
    """Polls the request of a user, at the location that the claim was answered with."""

    def poll_once(location: str, user_id: int, wait: float) -> Any:
        return client.get(f"{location}?wait={wait}", headers=bearer(user_id))

    return poll_once


def waiting(api: Api) -> int:
    return len(api.long_polls._by_age)


def begin(
    threads: ThreadPoolExecutor, poll: Callable[..., Any], api: Api, locations: dict[int, str]
) -> list[Future[Any]]:
    """Begin a poll for each user; all wait when this returns."""
    before = waiting(api)
    polls = [threads.submit(poll, location, user, 20) for user, location in locations.items()]
    eventually(lambda: waiting(api) == before + len(polls), what="all wait")
    return polls


def issue(gate: Gate, coupon_id: int, *user_ids: int) -> None:
    gate.settle(IssueRequest(coupon_id, user, NOW_US, Status.ISSUED) for user in user_ids)


def test_who_waits_is_told_when_the_request_is_final(
    new_coupon: NewCoupon, claim: Claim, poll: Callable[..., Any], api: Api, gate: Gate
) -> None:
    coupon_id = new_coupon()
    locations = {user: claim(coupon_id, user).headers["Location"] for user in (1, 2)}
    with ThreadPoolExecutor(2) as threads:
        first, second = begin(threads, poll, api, locations)
        issue(gate, coupon_id, 1)
        assert first.result(5).json["status"] == "ISSUED"
        assert not second.done()
        rejected = IssueRequest(coupon_id, 2, NOW_US, Status.REJECTED, "sold_out")
        gate.settle([rejected])
        assert second.result(5).json["reason"] == "sold_out"
        assert "Retry-After" not in second.result().headers


def test_what_is_final_already_is_answered_at_once(
    new_coupon: NewCoupon, claim: Claim, poll: Callable[..., Any], gate: Gate
) -> None:
    coupon_id = new_coupon()
    location = claim(coupon_id, 1).headers["Location"]
    issue(gate, coupon_id, 1)
    began = monotonic()
    assert poll(location, 1, 20).json["status"] == "ISSUED"
    assert monotonic() - began < 5


def test_when_the_time_is_over_the_answer_is_what_is_known(
    new_coupon: NewCoupon, claim: Claim, poll: Callable[..., Any]
) -> None:
    location = claim(new_coupon(), 1).headers["Location"]
    began = monotonic()
    answer = poll(location, 1, 0.3)
    assert monotonic() - began >= 0.3
    assert (answer.status_code, answer.json["status"]) == (200, "REQUESTED")
    assert answer.headers["Retry-After"] in RETRY_AFTER


def test_a_message_that_was_lost_is_made_up_for_by_looking_again(
    new_coupon: NewCoupon,
    claim: Claim,
    poll: Callable[..., Any],
    api: Api,
    gate: Gate,
    redis_link: Link,
) -> None:
    coupon_id = new_coupon()
    locations = {1: claim(coupon_id, 1).headers["Location"]}
    with ThreadPoolExecutor(1) as threads:
        [answer] = begin(threads, poll, api, locations)
        redis_link.cut()
        issue(gate, coupon_id, 1)
        redis_link.restore()
        assert answer.result(10).json["status"] == "ISSUED"


def test_beyond_the_bound_who_has_waited_longest_is_answered_at_once(
    new_coupon: NewCoupon, claim: Claim, poll: Callable[..., Any], api: Api, gate: Gate
) -> None:
    coupon_id = new_coupon()
    locations = {user: claim(coupon_id, user).headers["Location"] for user in (1, 2, 3, 4)}
    last = locations.pop(4)
    with ThreadPoolExecutor(4) as threads:
        longest, *others = (
            begin(threads, poll, api, {user: location})[0] for user, location in locations.items()
        )
        others.append(threads.submit(poll, last, 4, 20))
        answer = longest.result(5)
        assert answer.json["status"] == "REQUESTED"
        assert answer.headers["Retry-After"] in RETRY_AFTER
        assert waiting(api) == 3
        issue(gate, coupon_id, 2, 3, 4)
        assert {each.result(5).json["status"] for each in others} == {"ISSUED"}
    assert waiting(api) == 0


def test_two_polls_of_one_request_are_both_told(
    new_coupon: NewCoupon, claim: Claim, poll: Callable[..., Any], api: Api, gate: Gate
) -> None:
    coupon_id = new_coupon()
    locations = {1: claim(coupon_id, 1).headers["Location"]}
    with ThreadPoolExecutor(2) as threads:
        polls = [begin(threads, poll, api, locations)[0] for _ in range(2)]
        issue(gate, coupon_id, 1)
        assert [each.result(5).json["status"] for each in polls] == ["ISSUED"] * 2


def test_closing_sends_everybody_away_with_what_is_known(
    new_coupon: NewCoupon, claim: Claim, poll: Callable[..., Any], api: Api
) -> None:
    coupon_id = new_coupon()
    locations = {user: claim(coupon_id, user).headers["Location"] for user in (1, 2)}
    with ThreadPoolExecutor(2) as threads:
        polls = begin(threads, poll, api, locations)
        api.long_polls.close()
        assert {each.result(5).json["status"] for each in polls} == {"REQUESTED"}


def test_a_status_is_for_its_user_and_for_operators(
    new_coupon: NewCoupon, claim: Claim, client: Client, bearer: Bearer
) -> None:
    location = claim(new_coupon(), 1).headers["Location"]
    assert client.get(location, headers=bearer(1)).status_code == 200
    assert client.get(location, headers=bearer(2)).status_code == 404
    assert client.get(location, headers=bearer(2, ("coupon:ops",))).status_code == 200
    assert client.get(location, headers=bearer(2, ("coupon:admin",))).status_code == 200


def test_a_request_that_was_never_made_is_404_without_waiting(
    new_coupon: NewCoupon, poll: Callable[..., Any]
) -> None:
    began = monotonic()
    assert poll(f"/issue-requests/{request_id(new_coupon(), 9)}", 9, 20).status_code == 404
    assert monotonic() - began < 5
