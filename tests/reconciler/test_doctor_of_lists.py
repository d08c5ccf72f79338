"""The doctor says which lists wait for the reconciler, and what to do."""

import pytest

from coupons.gate import Gate
from coupons.kafka.client import KafkaClient
from coupons.ledger.connection import Connection
from coupons.ledger.coupons import change_coupon
from coupons.ledger.standby import set_standby_list
from coupons.model import CouponState
from operations.doctor import lists
from operations.doctor.findings import Finding, Level, Section
from operations.doctor.lists import check_lists, lasting
from operations.doctor.system import System
from operations.repair.promotion import promote
from tests.reconciler.conftest import Pass, Shop
from tests.reconciler.lines import Line
from tests.support.audiences import list_users
from tests.support.databases import Database
from tests.support.ledger import MakeCoupon


@pytest.fixture
def line(
    gate: Gate, database: Database, make_coupon: MakeCoupon, api: Connection, reconciler: Connection
) -> Line:
    return Line(Shop(gate, database, make_coupon(total_quantity=2)), api, reconciler)


@pytest.fixture(params=["coupon_ops", "coupon_monitor"])
def system(
    request: pytest.FixtureRequest,
    database: Database,
    valkey_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> System:
    """Postgres and Redis of the test, as an operator and as the monitor ask them."""
    monkeypatch.setattr(lists, "SERVED_WITHIN_SECONDS", 0.0)
    url = database.url(request.param)
    return System(None, None, url, valkey_url, KafkaClient(""), "", "", "group")


def found(system: System) -> list[Finding]:
    return list(check_lists(system))


def test_without_lists_nothing_is_said(system: System, shop: Shop) -> None:
    assert found(system) == []


def test_users_who_wait_for_a_place_are_in_order(system: System, line: Line) -> None:
    [finding] = found(system)
    assert finding.level is Level.OK


def test_users_who_wait_although_a_place_is_free_are_found(system: System, line: Line) -> None:
    line.revoke(100)
    [finding] = found(system)
    assert (finding.level, finding.section) == (Level.FAILING, Section.LIST_WAITS)
    assert f"coupon {line.coupon_id}, although" in finding.says
    assert finding.command == "coupon restart reconciler"
    line.serve()
    [finding] = found(system)
    assert finding.level is Level.OK


def test_users_who_wait_while_the_coupon_is_paused_are_in_order(system: System, line: Line) -> None:
    line.revoke(100)
    change_coupon(line.api, line.coupon_id, state=CouponState.PAUSED)
    [finding] = found(system)
    assert finding.level is Level.OK


def test_users_of_a_list_that_was_switched_off_are_in_order(system: System, line: Line) -> None:
    """Nobody is promoted any more; the reconciler ends their entries."""
    line.revoke(100)
    set_standby_list(line.api, line.coupon_id, is_on=False, acted_by="user 9")
    assert line.states() == "eee"
    [finding] = found(system)
    assert finding.level is Level.OK


@pytest.mark.parametrize("group", [None, "staff"])
def test_a_line_that_moves_is_in_order(
    line: Line, ops: Connection, monkeypatch: pytest.MonkeyPatch, group: str | None
) -> None:
    """Places are free at each look; between two, somebody was promoted or is not eligible now."""
    line.raise_stock(9)
    change_coupon(line.api, line.coupon_id, eligible_group=group)
    line.gate.define(line.shop.ledger())
    looked = lists._look

    def look(gate: Gate, connection: Connection) -> tuple[dict[int, lists.Moved], set[int]]:
        seen = looked(gate, connection)
        promote(line.gate, line.reconciler, line.coupon_id, 1)
        return seen

    monkeypatch.setattr(lists, "_look", look)
    assert lasting(line.gate, ops, 1.0) == ([], [])


def test_a_list_of_users_that_is_not_at_the_gate_is_found(
    system: System, shop: Shop, api: Connection, make_pass: Pass
) -> None:
    list_users(api, shop.coupon_id, [1])
    [finding] = found(system)
    assert (finding.level, finding.section) == (Level.FAILING, Section.LIST_WAITS)
    assert f"for coupon {shop.coupon_id}:" in finding.says
    assert finding.command == "coupon reconcile"
    make_pass()
    [finding] = found(system)
    assert finding.level is Level.OK


def test_a_list_of_a_closed_gate_is_left_to_the_gate(
    system: System, shop: Shop, api: Connection
) -> None:
    list_users(api, shop.coupon_id, [1])
    shop.gate.client.flushall()
    [finding] = found(system)
    assert finding.level is Level.OK
