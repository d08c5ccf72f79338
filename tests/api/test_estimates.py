"""Who waits learns how many are before them, and in how many seconds they may be final."""

from collections.abc import Callable
from math import ceil
from threading import Event
from time import monotonic
from typing import Any

import pytest
from werkzeug.test import Client

from api.estimates import Estimates
from chaos.link import Link
from coupons.gate import Gate
from coupons.model import IssueRequest, Status
from tests.support.api import NewCoupon
from tests.support.api_process import Bearer

Claim = Callable[..., Any]
NOW_US = 1_700_000_000_000_000


def test_a_status_has_who_is_ahead_and_an_estimate_once_measured(
    new_coupon: NewCoupon, claim: Claim, client: Client, bearer: Bearer, gate: Gate
) -> None:
    coupon_id = new_coupon()
    claimed = [claim(coupon_id, user) for user in range(1, 8)]
    assert all("requests_ahead" not in each.json for each in claimed)
    last = claimed[-1].headers["Location"]

    def read(wait: float) -> Any:
        return client.get(f"{last}?wait={wait}", headers=bearer(7)).json

    began = monotonic()
    first = read(0)
    assert (first["status"], first["requests_ahead"]) == ("REQUESTED", 6)
    assert "estimated_seconds" not in first
    issued = (IssueRequest(coupon_id, user, NOW_US, Status.ISSUED) for user in (1, 2))
    gate.settle(issued)
    second = read(1.2)
    assert second["requests_ahead"] == 4
    # Five more, at two in 1.2 seconds at least, and in what has passed at most.
    assert 3 <= second["estimated_seconds"] <= ceil(5 * (monotonic() - began) / 2)
    gate.settle([IssueRequest(coupon_id, 7, NOW_US, Status.ISSUED)])
    final = read(0)
    assert final["status"] == "ISSUED"
    assert not {"requests_ahead", "estimated_seconds"} & set(final)


def test_without_redis_the_status_has_no_figures(
    new_coupon: NewCoupon, claim: Claim, client: Client, bearer: Bearer, redis_link: Link
) -> None:
    location = claim(new_coupon(), 1).headers["Location"]
    redis_link.cut()
    answer: Any = client.get(location, headers=bearer(1))
    assert answer.json["status"] == "REQUESTED"
    assert "requests_ahead" not in answer.json


def test_a_status_does_not_wait_for_figures_that_do_not_come(
    new_coupon: NewCoupon,
    claim: Claim,
    client: Client,
    bearer: Bearer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A Redis that hangs has been waited for once already, for the status itself."""
    location = claim(new_coupon(), 1).headers["Location"]
    answered = Event()

    def hang(*_: Any) -> None:
        assert answered.wait(30), "the status waited for its figures"

    monkeypatch.setattr(Estimates, "of", hang)
    answer: Any = client.get(location, headers=bearer(1))
    answered.set()
    assert answer.json["status"] == "REQUESTED"
    assert "requests_ahead" not in answer.json
