"""The checkers of standby lists find what they are for, and nothing else."""

from dataclasses import replace

import pytest

from chaos import waiters
from chaos.checkers import lines
from chaos.evidence import Evidence
from chaos.history import History, Response
from chaos.stores import EntryRow
from chaos.verdict import violations
from chaos.waiters import Waiters
from coupons.model import IssueRequest, Status

COUPON = 1
SERVED = Evidence(
    totals={COUPON: 2},
    issued_counts={COUPON: 2},
    requests=[IssueRequest(COUPON, user, 1, Status.ISSUED) for user in (1, 3)],
    issued=[(COUPON, 1), (COUPON, 3)],
    entries=[
        EntryRow(COUPON, 1, 1, "promoted"),
        EntryRow(COUPON, 2, 2, "left"),
        EntryRow(COUPON, 3, 3, "promoted"),
        EntryRow(COUPON, 4, 4, "waiting"),
    ],
)


def broken(evidence: Evidence, history: History | None = None) -> set[str]:
    found = violations(history or History(), evidence)
    return {name for each in found if hasattr(lines, name := each.partition(":")[0])}


def test_a_line_that_was_served_in_order_is_fine() -> None:
    assert broken(SERVED, History(joined=[(COUPON, 4)])) == set()


@pytest.mark.parametrize(
    ("evidence", "checker"),
    [
        (
            replace(SERVED, entries=[EntryRow(COUPON, 4, 0, "waiting"), *SERVED.entries[:3]]),
            "the_line_is_served_in_order",
        ),
        (replace(SERVED, requests=SERVED.requests[:1]), "who_is_promoted_has_one_request"),
        (
            replace(
                SERVED,
                requests=[*SERVED.requests, IssueRequest(COUPON, 2, 1, Status.ISSUED)],
            ),
            "who_is_promoted_has_one_request",
        ),
        (replace(SERVED, totals={COUPON: 3}), "nobody_waits_while_stock_is_left"),
    ],
)
def test_a_broken_promise_of_a_line_is_found(evidence: Evidence, checker: str) -> None:
    assert broken(evidence) == {checker}


def test_somebody_who_is_not_in_line_any_more_is_found() -> None:
    assert broken(SERVED, History(joined=[(COUPON, 5)])) == {"who_joined_is_in_line"}


class Flaky:
    """An API that takes every second claim only."""

    def __init__(self, *_: str) -> None:
        self._asked = 0

    def create_coupon(self, _: int) -> int:
        return COUPON

    def give_standby_list(self, _: int) -> None:
        """Nothing to do."""

    def claim(self, coupon_id: int, user_id: int) -> Response:
        self._asked += 1
        status = 202 if self._asked % 2 else 503
        accepted = "REQUESTED" if status == 202 else ""
        return Response(coupon_id, user_id, status, "", accepted, "", 0.0, 0.0, 0.0)

    def close(self) -> None:
        """Nothing to do."""


def test_a_line_begins_when_every_place_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Claims that failed have taken none: the coupon would not be sold out, and nobody join."""
    monkeypatch.setattr(waiters, "Caller", Flaky)
    monkeypatch.setattr(waiters, "PAUSE_SECONDS", 0.01)
    history = History()
    line = Waiters(("", ""), history)
    assert line.check_promoted(SERVED.entries[1:2]) != ""
    assert line.check_promoted(SERVED.entries) == ""
    assert sum(each.accepted for each in history.responses) == waiters.TOTAL
