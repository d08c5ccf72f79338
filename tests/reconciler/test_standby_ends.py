"""Who is not promoted: left, erased, not eligible; a coupon that is not open; one that fails."""

from typing import Any

import psycopg
import pytest

from coupons.errors import RedisUnavailable
from coupons.gate import Gate, connect_gate
from coupons.gate.audiences import bring_audience
from coupons.gate.erasing import erase_user
from coupons.gate.rebuild import rebuild
from coupons.gate.standby import promote_at_gate
from coupons.gate.values import coupon_key
from coupons.ledger.audiences import AudienceOutcome
from coupons.ledger.connection import Connection, connect_ledger
from coupons.ledger.coupons import change_coupon
from coupons.ledger.erasures import UserInFlight
from coupons.ledger.issued_coupons import issue_or_reject
from coupons.ledger.requests import find_requests
from coupons.ledger.standby import (
    join_standby,
    leave_every_line,
    tidy_standby,
)
from coupons.model import CouponState, GateState
from operations.repair import promotion
from reconciler.standby_watch import serve_lines
from tests.reconciler.conftest import Shop
from tests.reconciler.lines import FAR_US, Line
from tests.support.audiences import list_users
from tests.support.databases import Database
from tests.support.ledger import MakeCoupon


@pytest.fixture
def line(
    gate: Gate, database: Database, make_coupon: MakeCoupon, api: Connection, reconciler: Connection
) -> Line:
    return Line(Shop(gate, database, make_coupon(total_quantity=2)), api, reconciler)


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


def test_who_is_not_on_the_list_any_more_is_passed_over(line: Line) -> None:
    """Promotion goes past admit.lua: the list holds for it, too."""
    assert list_users(line.api, line.coupon_id, [2, 3]) is AudienceOutcome.DONE
    assert bring_audience(line.gate, line.reconciler, line.coupon_id)
    line.raise_stock(3)
    line.serve()
    assert (line.states(), line.requested()) == ("npw", [2])


def test_a_lost_part_of_the_list_promotes_nobody_and_closes_the_coupon(line: Line) -> None:
    """Until it is rebuilt, with the list."""
    assert list_users(line.api, line.coupon_id, [2, 3]) is AudienceOutcome.DONE
    assert bring_audience(line.gate, line.reconciler, line.coupon_id)
    [lost] = line.gate.client.keys(f"{coupon_key(line.coupon_id)}:audience:*")
    line.gate.client.delete(lost)
    line.raise_stock(3)
    line.serve()
    assert line.states() == "www"
    assert line.gate.unavailable([line.coupon_id]) == [GateState.STALE]
    assert rebuild(line.gate, line.reconciler, line.coupon_id) is not None
    line.serve()
    assert (line.states(), line.requested()) == ("npw", [2])


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
