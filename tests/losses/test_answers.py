"""The answer is never sent before the request is durable."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from coupons.gate import Gate
from coupons.waiting import eventually
from tests.losses.commits import held_commits
from tests.support.api import NewCoupon
from tests.support.databases import Database

Claim = Callable[..., Any]
Rows = Callable[[int], int]


def test_a_claim_is_not_answered_while_its_commit_is_held_up(
    new_coupon: NewCoupon, claim: Claim, rows: Rows, database: Database
) -> None:
    coupon_id = new_coupon()
    with held_commits(database, "coupon_issue_request") as held, ThreadPoolExecutor(1) as threads:
        answer = threads.submit(claim, coupon_id, 1)
        held.await_one()
        assert not answer.done()
        assert rows(coupon_id) == 0
        held.let_go()
        assert answer.result().status_code == 202
    assert rows(coupon_id) == 1


def test_a_commit_that_died_is_never_202_without_its_row(
    new_coupon: NewCoupon, claim: Claim, rows: Rows, gate: Gate, database: Database
) -> None:
    """What was written is gone with the backend; the claim is written again, and then answered."""
    coupon_id = new_coupon()
    with held_commits(database, "coupon_issue_request") as held, ThreadPoolExecutor(1) as threads:
        answer = threads.submit(claim, coupon_id, 1)
        first = held.await_one()
        held.terminate(first)
        eventually(lambda: held.waiting() not in ([], [first]), 60, "it is written again")
        assert not answer.done()
        assert rows(coupon_id) == 0
        held.let_go()
        assert answer.result().status_code == 202
    assert rows(coupon_id) == 1
    [figures] = gate.figures([coupon_id])
    assert figures is not None
    assert (figures.compensated, figures.pending) == (0, 1)
