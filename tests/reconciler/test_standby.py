"""Promotions: a place that comes back goes to the first in line, once, whatever fails."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from coupons.errors import RedisUnavailable
from coupons.gate import Gate, connect_gate, open_coupon
from coupons.gate import rebuild as rebuilding
from coupons.gate.erasing import erase_user
from coupons.gate.rebuild import rebuild
from coupons.gate.standby import promote_at_gate
from coupons.ledger.connection import Connection, connect_ledger
from coupons.ledger.coupons import begin_gate_epoch, change_coupon
from coupons.ledger.erasures import UserInFlight
from coupons.ledger.issued_coupons import issue_or_reject
from coupons.ledger.requests import find_requests
from coupons.ledger.standby import (
    EntryState,
    find_standby_entry,
    hold_line,
    join_standby,
    leave_every_line,
    set_standby_list,
    tidy_standby,
)
from coupons.model import Admission, Claim, CouponState, IssuedChange, Refusal
from operations.repair import promotion
from operations.repair.roll_forward import roll_forward
from operations.verify.report import check_consistency
from reconciler.standby_watch import serve_lines
from tests.reconciler.conftest import Pass, Shop
from tests.support.changes import change_owned_coupon
from tests.support.databases import Database
from tests.support.ledger import MakeCoupon

HOLDERS, LINE = (100, 101), (1, 2, 3)
FAR_US = 2**52


class Line:
    """A coupon of two places that HOLDERS have; LINE waits in this order."""

    def __init__(self, shop: Shop, api: Connection, reconciler: Connection) -> None:
        self.shop, self.api, self.reconciler = shop, api, reconciler
        self.gate, self.coupon_id = shop.gate, shop.coupon_id
        shop.accept(*HOLDERS)
        shop.issue(*HOLDERS)
        set_standby_list(api, self.coupon_id, is_on=True, acted_by="user 9")
        for user in LINE:
            join_standby(api, user, self.coupon_id, [], is_sold_out=True)
        self.gate.define(shop.ledger())

    def revoke(self, user: int) -> None:
        change_owned_coupon(
            self.api, user, self.coupon_id, IssuedChange.REVOKE, "user 9", reason="fraud"
        )

    def raise_stock(self, total: int) -> None:
        change_coupon(self.api, self.coupon_id, total_quantity=total)
        self.gate.define(self.shop.ledger())

    def claim(self, *users: int) -> list[Any]:
        return list(self.gate.admit([Claim(self.coupon_id, user) for user in users]))

    def serve(self) -> None:
        while serve_lines(self.gate, self.reconciler):
            pass

    def states(self) -> str:
        """The first letter of what became of each in LINE."""
        entries = [find_standby_entry(self.api, user, self.coupon_id) for user in LINE]
        return "".join("-" if each is None else str(each.state)[0] for each in entries)

    def requested(self) -> list[int]:
        return [user for user in LINE if self.shop.has_request(user)]

    def complaints(self) -> list[str]:
        report = check_consistency(self.gate, self.api, self.coupon_id)
        assert report is not None
        return report.complaints


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


def test_stock_that_is_lowered_again_is_not_exceeded(line: Line) -> None:
    line.raise_stock(4)
    promotion.promote(line.gate, line.reconciler, line.coupon_id, 1)
    with pytest.raises(psycopg.errors.CheckViolation):
        change_coupon(line.api, line.coupon_id, total_quantity=2)
    line.raise_stock(3)
    line.serve()
    assert line.states() == "pww"


@pytest.mark.parametrize("state", [CouponState.PAUSED, CouponState.CLOSED])
def test_nobody_is_promoted_while_it_is_not_open(line: Line, state: CouponState) -> None:
    line.raise_stock(4)
    change_coupon(line.api, line.coupon_id, state=state)
    line.serve()
    assert line.states() == ("www" if state is CouponState.PAUSED else "eee")
    assert line.requested() == []


def test_who_is_not_eligible_any_more_is_passed_over(line: Line) -> None:
    """The others keep their order."""
    change_coupon(line.api, line.coupon_id, eligible_group="vip")
    join_standby(line.api, 4, line.coupon_id, ["vip"], is_sold_out=True)
    line.raise_stock(3)
    line.serve()
    line.serve()
    assert line.states() == "nnn"
    assert line.shop.has_request(4)


def test_who_leaves_is_not_promoted(line: Line) -> None:
    leave_every_line(line.api, 1)
    line.raise_stock(3)
    line.serve()
    assert (line.states(), line.requested()) == ("lpw", [2])


def test_who_claims_and_waits_has_one_request(line: Line) -> None:
    """A claim that was admitted before the gate knew the line; it takes no second place."""
    line.raise_stock(3)
    promote_at_gate(line.gate, line.coupon_id, [1], 3, FAR_US)
    line.shop.accept(1)
    line.serve()
    assert (line.states(), line.requested()) == ("pww", [1])


def test_a_redis_that_is_down_keeps_the_line(line: Line) -> None:
    line.raise_stock(3)
    with pytest.raises(RedisUnavailable):
        serve_lines(connect_gate("redis://127.0.0.1:1"), line.reconciler)
    line.serve()
    assert line.states() == "pww"


def test_one_line_that_cannot_be_served_stops_no_other(
    line: Line, gate: Gate, database: Database, make_coupon: MakeCoupon
) -> None:
    """Its row is locked; the other coupon's line goes on."""
    other = Line(Shop(gate, database, make_coupon(total_quantity=2)), line.api, line.reconciler)
    line.raise_stock(3)
    other.raise_stock(3)
    line.reconciler.execute("SET lock_timeout = '100ms'")
    with psycopg.connect(database.url("coupon_owner")) as owner:
        owner.execute("SELECT FROM coupon WHERE coupon_id = %s FOR UPDATE", [line.coupon_id])
        with pytest.raises(Exception, match="lock"):
            serve_lines(gate, line.reconciler)
    assert (line.states(), other.states()) == ("www", "pww")


def test_a_rejected_promotion_leaves_the_place_to_the_next(line: Line, database: Database) -> None:
    """The owner lowered the stock below what is promised, and the consumer rejects."""
    line.raise_stock(3)
    line.serve()
    with psycopg.connect(database.url("coupon_owner")) as owner:
        owner.execute("UPDATE coupon SET total_quantity = 2 WHERE coupon_id = %s", [line.coupon_id])
    with connect_ledger(database.url("coupon_consumer"), "test") as consumer:
        line.gate.settle(
            each.request
            for each in issue_or_reject(consumer, find_requests(consumer, [(line.coupon_id, 1)]))
        )
    assert line.shop.statuses(1) == ["REJECTED"]
    line.raise_stock(3)
    line.serve()
    assert line.states() == "ppw"


def test_an_archived_coupon_has_no_line(line: Line, archive: Any) -> None:
    archive(line.coupon_id)
    line.serve()
    assert line.states() == "eee"
    assert not tidy_standby(line.reconciler, line.coupon_id, 1)


def test_who_is_erased_is_promoted_no_more(line: Line, ops: Connection) -> None:
    """The entry is gone, and the others keep their order."""
    erase_user(line.gate, ops, 1, "user 9", None)
    line.raise_stock(3)
    line.serve()
    assert (line.states(), line.requested()) == ("-pw", [2])


def test_nobody_is_erased_whom_a_cut_off_promotion_has_admitted(
    line: Line, ops: Connection
) -> None:
    """Their request is about to be written."""
    line.raise_stock(3)
    promote_at_gate(line.gate, line.coupon_id, [1], 3, FAR_US)
    with pytest.raises(UserInFlight):
        erase_user(line.gate, ops, 1, "user 9", None)
