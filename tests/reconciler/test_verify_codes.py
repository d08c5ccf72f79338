"""`coupon verify` counts the codes of issued coupons, and names those that do not fit."""

import json
from collections.abc import Iterator

import pytest
from click.testing import CliRunner

from cli.main import main
from connectors.slot import Slot
from connectors.stream_state import StreamState
from coupons.codes import ALPHABET, CodeKind, has_made_form, is_mistyped, key_of, make_code
from coupons.ledger.codes import choose_codes, give_code, remove_free_codes
from coupons.ledger.connection import Connection, connect_ledger
from operations.verify import verification
from operations.verify.codes import CodeCounts, count_codes, find_wrong_codes
from tests.reconciler.conftest import Shop
from tests.support.codes import WHO, upload
from tests.support.databases import Database

USERS = range(1, 5)
POOL = ("A", "B", "C", "D", "E")


@pytest.fixture
def owner(database: Database) -> Iterator[Connection]:
    with connect_ledger(database.url("coupon_owner"), "test") as connection:
        yield connection


@pytest.fixture
def pool(shop: Shop, api: Connection) -> Shop:
    """Four issued coupons, of which two have asked for one of five codes."""
    choose_codes(api, shop.coupon_id, CodeKind.POOL, WHO)
    upload(api, shop.coupon_id, POOL)
    _issue(shop, api)
    return shop


@pytest.fixture
def made(other: Shop, api: Connection) -> Shop:
    """The same with codes that are made."""
    choose_codes(api, other.coupon_id, CodeKind.MADE, WHO)
    _issue(other, api)
    return other


def _issue(shop: Shop, api: Connection) -> None:
    shop.accept(*USERS)
    shop.issue(*USERS)
    for user in (1, 2):
        give_code(api, user, shop.coupon_id)


def by_hand(owner: Connection, statement: str, *values: object, lift: str = "") -> None:
    """A row that nothing checks, as one of a restore. lift: the check that is in its way."""
    if lift:
        owner.execute(lift.encode())
    owner.execute(statement.encode(), values)


def without(constraint: str) -> str:
    return f"ALTER TABLE coupon_code DROP CONSTRAINT {constraint}"


def wrong(ops: Connection, coupon_id: int | None = None) -> list[tuple[int, int, str]]:
    return [(f.coupon_id, f.user_id, f.why) for f in find_wrong_codes(ops, coupon_id)]


def complaints(ops: Connection) -> list[str]:
    return [line for each in count_codes(ops) for line in each.complaints]


def test_codes_that_are_right_are_counted_and_none_is_named(
    pool: Shop, made: Shop, ops: Connection, api: Connection, owner: Connection
) -> None:
    """Also one whose coupon was revoked afterwards, and a pool of which codes were removed."""
    by_hand(
        owner,
        "SELECT change_issued_coupon(1, %s, 'revoke', NULL, 'fraud', 'test')",
        pool.coupon_id,
    )
    assert count_codes(ops) == [
        CodeCounts(pool.coupon_id, CodeKind.POOL, 5, 5, 2, 3, 0, 2),
        CodeCounts(made.coupon_id, CodeKind.MADE, 0, 0, 2, 0, 0, 0),
    ]
    assert count_codes(ops, made.coupon_id) == count_codes(ops)[1:]
    assert complaints(ops) == []
    assert wrong(ops) == []
    remove_free_codes(api, pool.coupon_id, WHO)
    upload(api, pool.coupon_id, ["X", "Y"])
    assert count_codes(ops)[0][2:] == (4, 4, 2, 2, 0, 2)
    assert complaints(ops) == []


def test_an_uploaded_code_that_is_gone_is_counted(
    pool: Shop, ops: Connection, owner: Connection
) -> None:
    by_hand(owner, "DELETE FROM coupon_code WHERE code_key = ANY ('{A,B,C}') AND user_id IS NULL")
    [found] = count_codes(ops)
    assert found.in_pool < found.pool_size == 5
    assert f"5 codes were uploaded, and {found.in_pool} are there" in complaints(ops)[0]


def test_a_pool_with_too_few_codes_for_who_has_a_coupon_is_told(
    pool: Shop, ops: Connection, api: Connection, owner: Connection
) -> None:
    """Not for one that was revoked: it gets none any more."""
    remove_free_codes(api, pool.coupon_id, WHO)
    upload(api, pool.coupon_id, ["X"])
    assert complaints(ops) == [
        f"coupon {pool.coupon_id}: 2 issued coupons have no code yet, and 1 are left in its pool:"
        " upload more"
    ]
    by_hand(
        owner,
        "SELECT change_issued_coupon(4, %s, 'revoke', NULL, 'fraud', 'test')",
        pool.coupon_id,
    )
    assert complaints(ops) == []


def test_a_code_that_is_there_twice_is_counted(
    pool: Shop, made: Shop, ops: Connection, owner: Connection
) -> None:
    by_hand(
        owner,
        "INSERT INTO coupon_code (code, coupon_id, kind) VALUES ('a', %s, 'pool')",
        pool.coupon_id,
        lift=without("coupon_code_pkey"),
    )
    assert count_codes(ops, made.coupon_id)[0].twice == 0
    assert count_codes(ops)[0].twice == 2
    assert "2 of its codes are there more than once" in complaints(ops)[1]


def test_an_issued_coupon_with_two_codes_is_named(
    pool: Shop, made: Shop, ops: Connection, owner: Connection
) -> None:
    by_hand(
        owner,
        "INSERT INTO coupon_code (code, coupon_id, kind, user_id, given_at)"
        " VALUES (%s, %s, 'made', 1, now())",
        make_code(),
        made.coupon_id,
        lift="DROP INDEX one_code_each_issued_coupon",
    )
    assert wrong(ops) == wrong(ops, made.coupon_id) == [(made.coupon_id, 1, "two_codes")]
    assert wrong(ops, pool.coupon_id) == []


def test_a_code_of_an_issued_coupon_that_is_gone_is_named(
    pool: Shop, ops: Connection, owner: Connection
) -> None:
    by_hand(
        owner,
        "DELETE FROM issued_coupon WHERE user_id = 2",
        lift=without("code_of_an_issued_coupon"),
    )
    assert wrong(ops) == [(pool.coupon_id, 2, "not_issued")]


def test_a_code_that_was_given_after_the_end_is_named(
    pool: Shop, made: Shop, ops: Connection, owner: Connection
) -> None:
    """Of one coupon that was revoked, and of one that had expired."""
    revoke = "SELECT change_issued_coupon(1, %s, 'revoke', NULL, 'fraud', 'test')"
    by_hand(owner, revoke, pool.coupon_id)
    late = (
        "UPDATE coupon_code SET given_at = now() + %s::interval"
        " WHERE coupon_id = %s AND user_id IS NOT NULL"
    )
    by_hand(owner, late, "1 s", pool.coupon_id)
    assert wrong(ops) == [(pool.coupon_id, 1, "late_code")]
    terms = "UPDATE coupon SET valid_for_days = 1 WHERE coupon_id = %s"
    by_hand(
        owner,
        terms,
        made.coupon_id,
        lift="ALTER TABLE coupon DISABLE TRIGGER coupon_validity_only_grows",
    )
    by_hand(owner, late, "1 day 10 s", made.coupon_id)
    assert wrong(ops, made.coupon_id) == [], "who asked in time may have waited for a code"
    by_hand(owner, "SELECT change_issued_coupon(2, %s, 'use', 'A', NULL, 'test')", made.coupon_id)
    by_hand(owner, late, "1 day 90 s", made.coupon_id)
    found = [(made.coupon_id, 1, "late_code")]
    assert wrong(ops, made.coupon_id) == found, "one that is used gets a code at any time"
    assert len(find_wrong_codes(ops, most=1)) == 1


def test_a_made_code_with_a_wrong_check_character_is_named(
    made: Shop, ops: Connection, owner: Connection
) -> None:
    change = "UPDATE coupon_code SET code = %s WHERE user_id = 2"
    good = make_code()
    for place in range(len(good)):
        if good[place] == "-":
            continue
        for character in ALPHABET:
            changed = good[:place] + character + good[place + 1 :]
            by_hand(owner, change, changed)
            found = [(made.coupon_id, 2, "wrong_check")] if is_mistyped(key_of(changed)) else []
            assert has_made_form(key_of(changed))
            assert bool(found) == (changed != good)
            assert wrong(ops) == found, changed


def test_the_command_says_what_is_wrong_with_codes(
    pool: Shop,
    environment: dict[str, str],
    owner: Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slot = Slot(0, None, True, True, True, True, "reserved", None, 0, 0)
    stream = StreamState(slot, 0, "RUNNING", True, 0, 0, None)
    monkeypatch.setattr(verification, "explain_in_flight", lambda found, *_: (found, stream))
    monkeypatch.setattr(verification, "read_unresolved", lambda *_: [])
    runner = CliRunner(env=environment)
    fine = runner.invoke(main, ["verify"])
    assert "Codes:    2 given; in the pool 5, free 3" in fine.stdout
    assert fine.exit_code == 0
    by_hand(owner, "UPDATE coupon_codes SET pool_size = 6")
    shown = runner.invoke(main, ["verify"])
    assert "6 codes were uploaded, and 5 are there" in shown.stdout
    assert shown.exit_code == 1
    by_hand(owner, "UPDATE coupon_codes SET pool_size = 5")
    by_hand(
        owner,
        "DELETE FROM issued_coupon WHERE user_id = 2",
        lift=without("code_of_an_issued_coupon"),
    )
    as_json = json.loads(runner.invoke(main, ["verify", "--json"]).stdout)
    assert "not_issued" in {each["why"] for each in as_json["unmatched"]}
    assert as_json["codes"][0]["free"] == 3
