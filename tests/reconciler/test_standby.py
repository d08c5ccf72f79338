"""Promotions: a place that comes back goes to the first in line, once, whatever fails."""

from collections.abc import Iterator
from typing import Any

import pytest

from coupons.gate import Gate, open_coupon
from coupons.gate import rebuild as rebuilding
from coupons.gate.rebuild import rebuild
from coupons.gate.standby import promote_at_gate
from coupons.ledger.connection import Connection, connect_ledger
from coupons.ledger.coupons import begin_gate_epoch
from coupons.ledger.standby import (
    EntryState,
    hold_line,
    join_standby,
    set_standby_list,
)
from coupons.model import Admission, Claim, Refusal
from operations.repair import promotion
from operations.repair.roll_forward import roll_forward
from reconciler.standby_watch import serve_lines
from tests.reconciler.conftest import Pass, Shop
from tests.reconciler.lines import FAR_US, LINE, Line
from tests.support.databases import Database
from tests.support.ledger import MakeCoupon


@pytest.fixture
def line(
    gate: Gate, database: Database, make_coupon: MakeCoupon, api: Connection, reconciler: Connection
) -> Line:
    return Line(Shop(gate, database, make_coupon(total_quantity=2)), api, reconciler)


@pytest.fixture
def second(database: Database) -> Iterator[Connection]:
    """Of another reconciler."""
    with connect_ledger(database.url("coupon_reconciler"), "test") as connection:
        yield connection


def test_what_is_revoked_goes_to_the_first_in_line(line: Line) -> None:
    line.revoke(100)
    line.serve()
    assert line.states() == "pww"
    line.shop.issue(1)
    assert line.shop.statuses(1, 2) == ["ISSUED", None]
    line.gate.define(line.shop.ledger())
    assert line.complaints() == []


def test_a_raise_is_for_the_line_and_then_for_claims(line: Line, make_pass: Pass) -> None:
    """As many as fit are promoted, in order; what is left is claimed again."""
    line.raise_stock(6)
    assert line.claim(50) == [Refusal.SOLD_OUT]

    line.serve()

    assert line.requested() == list(LINE)
    make_pass()
    assert isinstance(line.claim(50)[0], Admission)
    assert line.claim(51) == [Refusal.SOLD_OUT]


def test_nobody_else_is_admitted_while_somebody_waits(line: Line) -> None:
    """A place that an abandoned claim gives back is not taken by a newcomer either."""
    line.raise_stock(3)
    for user in range(50, 60):
        assert line.claim(user) == [Refusal.SOLD_OUT]
    line.serve()
    assert line.states() == "pww"


def test_nothing_is_promoted_without_a_place(line: Line) -> None:
    line.serve()
    assert line.states() == "www"
    assert line.requested() == []


def test_no_more_are_promoted_than_there_are_places(line: Line) -> None:
    """Also when the figures that were read are of another moment."""
    line.raise_stock(4)
    assert promotion.promote(line.gate, line.reconciler, line.coupon_id, 500).promoted == [1, 2]
    assert promotion.promote(line.gate, line.reconciler, line.coupon_id, 500).promoted == []


@pytest.mark.parametrize("step", ["promote_at_gate", "accept_requests", "end_standby_entries"])
def test_a_crash_between_two_steps_is_repaired(
    line: Line, second: Connection, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After each step: another reconciler does the rest, and the same user has one request."""
    line.raise_stock(3)
    real = getattr(promotion, step)

    def crash(*arguments: Any) -> None:
        real(*arguments)
        if not (step == "end_standby_entries" and arguments[-1] is EntryState.NOT_ELIGIBLE):
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(promotion, step, crash)
        with pytest.raises(KeyboardInterrupt):
            promotion.promote(line.gate, line.reconciler, line.coupon_id, 1)
    assert line.requested() == []

    serve_lines(line.gate, second)

    assert (line.states(), line.requested()) == ("pww", [1])
    line.shop.issue(1)
    assert line.complaints() == []


def test_after_a_lost_commit_the_row_comes_anyway(line: Line) -> None:
    """Admitted at the gate, and nobody promotes any more: a pass rolls it forward."""
    line.raise_stock(3)
    promote_at_gate(line.gate, line.coupon_id, [1], 3, FAR_US)
    assert roll_forward(line.gate, line.reconciler, line.coupon_id, [1]) == 1
    line.serve()
    assert (line.states(), line.requested()) == ("pww", [1])


def test_two_reconcilers_promote_one_after_the_other(line: Line, second: Connection) -> None:
    line.raise_stock(3)
    with line.reconciler.transaction():
        hold_line(line.reconciler, line.coupon_id)
        assert promotion.promote(line.gate, second, line.coupon_id, 1).promoted == []
    assert promotion.promote(line.gate, second, line.coupon_id, 1).promoted == [1]
    assert promotion.promote(line.gate, line.reconciler, line.coupon_id, 1).promoted == []


def test_who_was_stopped_promotes_nobody_later(line: Line) -> None:
    """The ledger holds the entries no more; the gate admits nobody after the time."""
    line.raise_stock(3)
    [decision] = promote_at_gate(line.gate, line.coupon_id, [1], 3, line.gate.now_us() - 1)
    assert decision is Refusal.SOLD_OUT


def test_redis_that_is_lost_in_between_takes_nothing(line: Line) -> None:
    """Raised, and all of Redis is gone: the rebuild knows the line, and it is served after it."""
    line.raise_stock(3)
    line.gate.client.flushall()
    line.serve()
    assert line.states() == "www"

    rebuild(line.gate, line.reconciler, line.coupon_id)

    assert line.claim(50) == [Refusal.SOLD_OUT]
    line.serve()
    assert (line.states(), line.requested()) == ("pww", [1])


def test_an_admission_of_an_epoch_that_is_over_is_not_written(line: Line) -> None:
    """A rebuild has fenced the coupon, and the gate admits under the old epoch: nothing is lost."""
    line.raise_stock(3)
    begin_gate_epoch(line.reconciler, line.coupon_id)
    line.serve()
    assert (line.states(), line.requested()) == ("www", [])
    rebuild(line.gate, line.reconciler, line.coupon_id)
    line.serve()
    assert (line.states(), line.requested()) == ("pww", [1])


def test_a_rebuild_does_not_forget_a_line_that_begins_meanwhile(
    gate: Gate, settled: Shop, api: Connection, reconciler: Connection
) -> None:
    """The epoch begins with the definition that was read before; the last word is the ledger's."""
    coupon_id = settled.coupon_id
    set_standby_list(api, coupon_id, is_on=True, acted_by="user 9")

    real = open_coupon

    def open_late(*arguments: Any) -> bool:
        join_standby(api, 60, coupon_id, [], is_sold_out=True)
        gate.define(settled.ledger())
        return real(*arguments)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(rebuilding, "open_coupon", open_late)
        rebuild(gate, reconciler, coupon_id)
    assert gate.admit([Claim(coupon_id, 50)]) == [Refusal.SOLD_OUT]
