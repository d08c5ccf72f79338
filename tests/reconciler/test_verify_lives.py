"""`coupon verify` counts what has become of issued coupons, and names changes that do not fit."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from click.testing import CliRunner

from cli.main import main
from connectors.slot import Slot
from connectors.stream_state import StreamState
from coupons.ledger.connection import Connection, connect_ledger
from operations.verify import verification
from operations.verify.lives import LifeCounts, count_lives, find_wrong_changes
from tests.reconciler.conftest import Shop
from tests.support.databases import Database
from tests.support.ledger import MakeCoupon

USERS = range(1, 7)


@pytest.fixture
def owner(database: Database) -> Iterator[Connection]:
    with connect_ledger(database.url("coupon_owner"), "test") as connection:
        yield connection


@pytest.fixture
def by_hand(owner: Connection) -> Connection:
    """Rows that nothing checks, as those of a restore in part."""
    for constraint in (
        "change_of_an_issued_coupon",
        "change_begins_where_the_last_ended",
        "first_change_is_of_an_active_coupon",
    ):
        owner.execute(f"ALTER TABLE issued_coupon_change DROP CONSTRAINT {constraint}".encode())
    return owner


@pytest.fixture
def lived(shop: Shop, owner: Connection) -> Shop:
    """Of six issued coupons, two are used, one is used no more, one is revoked."""
    shop.accept(*USERS)
    shop.issue(*USERS)
    for user, wanted, reference, why in (
        (1, "use", "A", None),
        (2, "use", "B", None),
        (3, "use", "C", None),
        (3, "cancel_use", "C", None),
        (4, "revoke", None, "fraud"),
    ):
        change(owner, shop, user, wanted, reference, why)
    return shop


def change(owner: Connection, shop: Shop, user: int, *wanted: str | None) -> None:
    row = owner.execute(
        "SELECT change_issued_coupon(%s, %s, %s, %s, %s, 'test')", [user, shop.coupon_id, *wanted]
    ).fetchone()
    assert row == ("done",)


def insert(by_hand: Connection, coupon_id: int, user: int, number: int, *more: object) -> None:
    """more: from_state, to_state, order_reference, and when (an interval from now)."""
    from_state, to_state, order, *when = more
    by_hand.execute(
        "INSERT INTO issued_coupon_change (user_id, coupon_id, change_number, from_state, to_state,"
        " order_reference, changed_at, changed_by)"
        " VALUES (%s, %s, %s, %s, %s, %s, now() + %s::interval, 'hand')",
        [user, coupon_id, number, from_state, to_state, order, *(when or ["0 s"])],
    )


def wrong(ops: Connection, coupon_id: int | None = None) -> list[tuple[int, int, str]]:
    return [(f.coupon_id, f.user_id, f.why) for f in find_wrong_changes(ops, coupon_id)]


def test_issued_coupons_are_counted_by_their_state(lived: Shop, ops: Connection) -> None:
    [life] = count_lives(ops)
    assert life == LifeCounts(lived.coupon_id, issued=6, active=3, used=2, expired=0, revoked=1)
    assert life.complaint == ""
    assert wrong(ops) == []


def test_those_whose_time_is_over_count_as_expired(
    lived: Shop, ops: Connection, owner: Connection
) -> None:
    """With a row or without; one that is used stays used."""
    owner.execute("ALTER TABLE coupon DISABLE TRIGGER coupon_validity_only_grows")
    owner.execute("UPDATE coupon SET valid_until = clock_timestamp()")
    change(owner, lived, 2, "cancel_use", "B", None)
    [life] = count_lives(ops)
    assert life == LifeCounts(lived.coupon_id, issued=6, active=0, used=1, expired=4, revoked=1)
    assert wrong(ops) == []


def test_a_coupon_without_changes_costs_no_line(
    shop: Shop, ops: Connection, make_coupon: MakeCoupon
) -> None:
    shop.accept(1)
    shop.issue(1)
    assert count_lives(ops) == []


def test_a_change_of_an_issued_coupon_that_does_not_exist_is_named(
    lived: Shop, ops: Connection, by_hand: Connection
) -> None:
    insert(by_hand, lived.coupon_id, 99, 1, "active", "used", "X")
    assert wrong(ops) == [(lived.coupon_id, 99, "not_issued")]
    [life] = count_lives(ops)
    assert (life.issued, life.used) == (6, 3)
    assert "6 are issued, and by their changes 7" in life.complaint


@pytest.mark.parametrize(
    "row",
    [
        pytest.param((2, "active", "used", "X"), id="used-though-used"),
        pytest.param((3, "used", "active", "A"), id="a-change-is-missing"),
        pytest.param((2, "used", "active", "B"), id="another-order-cancels-it"),
    ],
)
def test_a_chain_that_is_broken_is_named(
    lived: Shop, ops: Connection, by_hand: Connection, row: tuple[Any, ...]
) -> None:
    insert(by_hand, lived.coupon_id, 1, *row)
    assert wrong(ops) == [(lived.coupon_id, 1, "broken_chain")]
    assert wrong(ops, lived.coupon_id) == wrong(ops)
    assert wrong(ops, lived.coupon_id + 1) == []


def test_a_use_after_the_expiry_is_named(lived: Shop, ops: Connection, by_hand: Connection) -> None:
    by_hand.execute("ALTER TABLE coupon DISABLE TRIGGER coupon_validity_only_grows")
    by_hand.execute("UPDATE coupon SET valid_until = now() + interval '1 day'")
    insert(by_hand, lived.coupon_id, 5, 1, "active", "used", "X", "1 day 10 s")
    insert(by_hand, lived.coupon_id, 6, 1, "active", "used", "Y", "1 day -10 s")
    assert wrong(ops) == [(lived.coupon_id, 5, "late_use")]


def test_only_the_first_wrong_changes_are_named(
    lived: Shop, ops: Connection, by_hand: Connection
) -> None:
    for user in (97, 98, 99):
        for number, order in ((1, "X"), (2, "X")):
            states = ("active", "used") if number == 1 else ("used", "active")
            insert(by_hand, lived.coupon_id, user, number, *states, order)
    found = find_wrong_changes(ops, most=2)
    assert [(each.user_id, each.sentence.split(" ")[1]) for each in found] == [
        (97, "1"),
        (98, "1"),
    ]


def test_the_command_says_what_does_not_add_up(
    lived: Shop,
    database: Database,
    by_hand: Connection,
    valkey_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slot = Slot(0, None, True, True, True, True, "reserved", None, 0, 0)
    stream = StreamState(slot, 0, "RUNNING", True, 0, 0, None)
    monkeypatch.setattr(verification, "explain_in_flight", lambda found, *_: (found, stream))
    monkeypatch.setattr(verification, "read_unresolved", lambda *_: [])
    environment = {
        "COUPON_DATABASE_URL": database.url("coupon_ops"),
        "COUPON_REDIS_URL": valkey_url,
        "COUPON_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
        "COUPON_SCHEMA_REGISTRY_URL": "http://127.0.0.1:1",
        "COUPON_CONNECT_URL": "http://127.0.0.1:1",
        "COUPON_STATE_DIR": "",
    }

    def verify(*options: str) -> str:
        return CliRunner(env=environment).invoke(main, ["verify", *options]).stdout

    row = "Life:     issued 6 = active 3 + used 2 + expired 0 + revoked 1"
    shown = verify()
    assert row in shown
    assert "are issued, and by their changes" not in shown
    insert(by_hand, lived.coupon_id, 99, 1, "active", "used", "X")
    shown = verify()
    assert "6 are issued, and by their changes 7 are active, used, expired or revoked" in shown
    assert "user 99: not_issued, change 1 from active to used" in shown
    as_json = json.loads(verify("--json"))
    assert as_json["lives"][0]["used"] == 3
    assert [each["why"] for each in as_json["unmatched"]] == ["not_issued"]
