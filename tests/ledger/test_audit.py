"""Every change of a coupon is in the audit trail, with who made it; and nothing is overwritten."""

import json

import psycopg
import pytest

from coupons.errors import NotThere
from coupons.gate.changes import CouponChanged, CouponClosed, operate_in_ledger
from coupons.ledger.connection import Connection, connect_ledger
from coupons.ledger.coupon_actions import NEWEST, list_coupon_actions
from coupons.ledger.coupon_pages import search_coupons
from coupons.ledger.coupons import change_coupon
from coupons.model import CouponState
from operations.audit import NotACursor, last_change, list_actions, note_action
from tests.support.databases import Database
from tests.support.ledger import MakeCoupon

LETTER = (
    "INSERT INTO dead_letter_action (acted_by, action, result, letter_partition, letter_offset,"
    " set_aside_at, record_topic, record_partition, record_offset, coupon_id, user_id)"
    " VALUES ('ana', 'replay', 'begun', 3, 7, now(), 't', 0, 0, 1, 2)"
)


@pytest.fixture
def ops(database: Database):  # type: ignore[no-untyped-def]
    with connect_ledger(database.url("coupon_ops"), "test") as connection:
        yield connection


def test_a_change_names_who_made_it_and_what(
    database: Database, make_coupon: MakeCoupon, ops: Connection
) -> None:
    coupon = make_coupon(total_quantity=5)
    coupon_id = coupon.coupon_id
    operate_in_ledger(ops, coupon_id, coupon.version, {"total_quantity": 9}, "ana")
    with connect_ledger(database.url("coupon_api"), "test") as api:
        change_coupon(api, coupon_id, state=CouponState.PAUSED)
    said = [(each.acted_by, each.action, each.detail) for each in list_actions(ops, "", 10)]
    assert said == [
        ("coupon_api", "change coupon", "state: open -> paused"),
        ("ana", "change coupon", "stock: 5 -> 9"),
        ("coupon_api", "create coupon", "5 of of a test"),
    ]
    last = last_change(ops, coupon_id)
    assert last is not None
    assert (last.acted_by, last.detail) == ("coupon_api", "state: open -> paused")
    assert last_change(ops, 99) is None


def test_every_action_keeps_the_login_whatever_name_was_given(
    database: Database, make_coupon: MakeCoupon, ops: Connection
) -> None:
    coupon = make_coupon()
    paused = {"state": CouponState.PAUSED}
    operate_in_ledger(ops, coupon.coupon_id, coupon.version, paused, "coupon_owner")
    note_action(ops, "coupon_api", "rebuild gate", "done")
    ops.execute(LETTER)
    with psycopg.connect(database.url("coupon_owner")) as owner:
        owner.execute("UPDATE coupon SET name = 'by hand'")
    said = [(each.acted_by, each.login) for each in list_actions(ops, "", 10)]
    assert said == [
        ("coupon_owner", "coupon_owner"),
        ("ana", "coupon_ops"),
        ("coupon_api", "coupon_ops"),
        ("coupon_owner", "coupon_ops"),
        ("coupon_api", "coupon_api"),
    ]


def test_what_changes_nothing_is_no_action(make_coupon: MakeCoupon, ops: Connection) -> None:
    coupon = make_coupon()
    state = {"state": CouponState.OPEN}
    operate_in_ledger(ops, coupon.coupon_id, coupon.version, state, "ana")
    assert len(list_actions(ops, "", 10)) == 1


def test_issuing_is_no_action(database: Database, make_coupon: MakeCoupon, ops: Connection) -> None:
    make_coupon()
    with psycopg.connect(database.url("coupon_consumer")) as consumer:
        consumer.execute("UPDATE coupon SET issued_count = 1, rejected_count = 2")
    assert len(list_actions(ops, "", 10)) == 1


def test_the_second_of_two_operators_overwrites_nothing(
    make_coupon: MakeCoupon, ops: Connection
) -> None:
    coupon = make_coupon(total_quantity=5)
    coupon_id, seen = coupon.coupon_id, coupon.version
    close, reopen = {"state": CouponState.CLOSED}, {"state": CouponState.OPEN}
    now = operate_in_ledger(ops, coupon_id, seen, {"total_quantity": 9}, "ana").version
    with pytest.raises(CouponChanged, match="nothing was done"):
        operate_in_ledger(ops, coupon_id, seen, {"total_quantity": 7}, "bea")
    closed = operate_in_ledger(ops, coupon_id, now, close, "bea")
    assert (closed.total_quantity, closed.state) == (9, CouponState.CLOSED)
    assert operate_in_ledger(ops, coupon_id, now, close, "ana") == closed
    with pytest.raises(CouponClosed):
        operate_in_ledger(ops, coupon_id, closed.version, reopen, "ana")
    with pytest.raises(NotThere):
        operate_in_ledger(ops, 99, 1, reopen, "ana")


def test_pages_of_the_trail_follow_each_other_without_gap_or_repeat(
    database: Database, make_coupon: MakeCoupon, ops: Connection
) -> None:
    with psycopg.connect(database.url("coupon_owner"), autocommit=True) as owner:
        for number in range(6):
            make_coupon()
            ops.execute(LETTER)
            note_action(ops, "ana", "rebuild gate", "done", f"{number} requests", number)
        # All at the same moment: the cursor tells them apart.
        owner.execute("UPDATE operator_action SET acted_at = now()")
        owner.execute(
            "UPDATE dead_letter_action SET acted_at = (SELECT max(acted_at)"
            " FROM operator_action) WHERE action_id > 3"
        )
    everything = list_actions(ops, "", 100)
    assert len(everything) == 18
    assert [each.letter for each in everything if each.kind] == ["3:7"] * 6
    paged, cursor = [], ""
    while page := list_actions(ops, cursor, 5):
        paged += page
        cursor = page[-1].cursor
    assert paged == everything


@pytest.mark.parametrize("cursor", ["x", "1.2.3", "1.0", "9" * 17 + ".0.1", "1.0.1; --", "1.0.1\n"])
def test_a_cursor_that_was_made_up_is_refused(ops: Connection, cursor: str) -> None:
    with pytest.raises(NotACursor):
        list_actions(ops, cursor, 5)


def test_coupons_are_found_by_a_part_of_the_name_by_id_and_by_state(
    make_coupon: MakeCoupon, ops: Connection
) -> None:
    first, second = make_coupon(name="Summer 50%"), make_coupon(name="Winter_sale")
    operate_in_ledger(ops, first.coupon_id, first.version, {"state": CouponState.PAUSED}, "ana")

    def found(words: str = "", state: str = "", before: int = 2**62, most: int = 9) -> list[int]:
        return [each.coupon_id for each in search_coupons(ops, words, state, before, most)]

    assert found() == [second.coupon_id, first.coupon_id]
    assert found(most=1) == [second.coupon_id]
    assert found(before=second.coupon_id) == [first.coupon_id]
    assert found("sUMMER") == found("50%") == found(state="paused") == [first.coupon_id]
    assert found("%") == [first.coupon_id]
    assert found(str(second.coupon_id)) == [second.coupon_id]
    assert found("nothing") == []


def test_what_people_read_of_a_change_is_short(
    database: Database, make_coupon: MakeCoupon, ops: Connection
) -> None:
    """A discount of 4 KiB makes no page of the trail large; programs get all of it."""
    coupon = make_coupon(discount={"a": "x" * 4_000})
    with connect_ledger(database.url("coupon_api"), "test") as api:
        change_coupon(api, coupon.coupon_id, discount={"a": "y" * 4_000}, name="n" * 200)
        [last] = list_coupon_actions(api, coupon.coupon_id, NEWEST, 1)
    assert last.detail.startswith(f"name: of a test -> {'n' * 200}; discount: ")
    assert len(last.detail) < 700
    assert last.changes is not None
    assert json.loads(last.changes)["discount"]["to"] == {"a": "y" * 4_000}
