"""What becomes of an issued coupon: used by one order at a time, and only as the table allows."""

from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from coupons.ledger.connection import Connection
from coupons.ledger.lives import MOST_CHANGES, read_life
from coupons.ledger.owned_coupons import (
    find_owned_coupon,
    list_changes,
    list_owned_coupons,
)
from coupons.model import ChangeOutcome, IssuedChange, IssuedState
from tests.ledger.conftest import CHANGED_USER
from tests.support.changes import change_owned_coupon
from tests.support.databases import Database
from tests.support.issued import as_owner, issue, make_older, set_terms
from tests.support.ledger import MakeCoupon

USE, CANCEL, REVOKE = IssuedChange.USE, IssuedChange.CANCEL_USE, IssuedChange.REVOKE
USER = CHANGED_USER
DONE, REPEATED = ChangeOutcome.DONE, ChangeOutcome.REPEATED

Steps = list[tuple[IssuedChange | None, str]]
"""Changes with their order or reason; None: the coupon's time passes."""


def change(
    api: Connection, coupon_id: int, wanted: IssuedChange, text: str, user_id: int = USER
) -> ChangeOutcome | None:
    about = {"reason": text} if wanted is REVOKE else {"order_reference": text}
    changed = change_owned_coupon(api, user_id, coupon_id, wanted, "a test", **about)
    return None if changed is None else changed[0]


def test_an_order_that_cancelled_is_told_when_nobody_can_use_it(
    api: Connection, coupon_id: int
) -> None:
    """Another order reference would not help then."""
    for wanted, text in ((USE, "A"), (CANCEL, "A"), (REVOKE, "fraud")):
        assert change(api, coupon_id, wanted, text) is DONE
    assert change(api, coupon_id, USE, "A") is ChangeOutcome.REVOKED
    assert change(api, coupon_id, CANCEL, "A") is REPEATED


def test_a_change_reads_no_more_however_many_there_were(
    api: Connection, coupon_id: int, database: Database
) -> None:
    """Else one user who uses and cancels all day would take Postgres from everybody."""
    statement = (
        "INSERT INTO issued_coupon_change (user_id, coupon_id, change_number, from_state, to_state,"
        " changed_by, order_reference)"
        " SELECT %s, %s, number, CASE number %% 2 WHEN 1 THEN 'active' ELSE 'used' END,"
        " CASE number %% 2 WHEN 1 THEN 'used' ELSE 'active' END, 'a test', 'O-' || (number + 1) / 2"
        " FROM generate_series(1, 2000) AS number"
    )
    as_owner(database, statement, USER, coupon_id)
    as_owner(database, "ANALYZE issued_coupon_change")
    read = (
        "SELECT seq_tup_read + coalesce(idx_tup_fetch, 0) FROM pg_stat_xact_user_tables"
        " WHERE relname = 'issued_coupon_change'"
    )
    with api.transaction():
        for wanted, order in ((USE, "new"), (USE, "O-7"), (CANCEL, "new"), (USE, "O-7")):
            change(api, coupon_id, wanted, order)
        row = api.execute(read).fetchone()
        life = read_life(api, coupon_id, USER)
        with_life = api.execute(read).fetchone()
    assert row is not None
    assert 0 < row[0] < 100
    assert life is not None
    assert (life.total, len(life.changes)) == (2_002, MOST_CHANGES)
    assert with_life is not None
    assert MOST_CHANGES <= with_life[0] - row[0] < 2 * MOST_CHANGES


def chain(api: Connection, coupon_id: int, user_id: int = USER) -> list[str]:
    """The states that it went through."""
    found = list_changes(api, user_id, coupon_id, 100)
    assert [each.number for each in found] == list(range(1, len(found) + 1))
    return ["active", *(str(each.to_state) for each in found)]


@pytest.mark.parametrize(
    ("steps", "outcome", "states"),
    [
        ([(USE, "A")], DONE, "active used"),
        ([(USE, "A"), (USE, "A")], REPEATED, "active used"),
        ([(USE, "A"), (USE, "B")], ChangeOutcome.USED, "active used"),
        ([(USE, "A"), (CANCEL, "A")], DONE, "active used active"),
        ([(USE, "A"), (CANCEL, "A"), (CANCEL, "A")], REPEATED, "active used active"),
        ([(USE, "A"), (CANCEL, "B")], ChangeOutcome.OTHER_ORDER, "active used"),
        ([(CANCEL, "A")], ChangeOutcome.ACTIVE, "active"),
        ([(USE, "A"), (CANCEL, "A"), (CANCEL, "B")], ChangeOutcome.ACTIVE, "active used active"),
        ([(USE, "A"), (CANCEL, "A"), (USE, "B")], DONE, "active used active used"),
        (
            [(USE, "A"), (CANCEL, "A"), (USE, "A")],
            ChangeOutcome.ORDER_CANCELLED,
            "active used active",
        ),
        (
            [(USE, "A"), (CANCEL, "A"), (USE, "B"), (CANCEL, "A")],
            REPEATED,
            "active used active used",
        ),
        (
            [(USE, "A"), (CANCEL, "A"), (USE, "B"), (USE, "A")],
            ChangeOutcome.USED,
            "active used active used",
        ),
        (
            [(USE, "A"), (CANCEL, "A"), (REVOKE, "x"), (CANCEL, "A")],
            REPEATED,
            "active used active revoked",
        ),
        ([(REVOKE, "fraud")], DONE, "active revoked"),
        ([(REVOKE, "fraud"), (REVOKE, "other")], REPEATED, "active revoked"),
        ([(USE, "A"), (REVOKE, "fraud")], ChangeOutcome.USED, "active used"),
        ([(REVOKE, "fraud"), (USE, "A")], ChangeOutcome.REVOKED, "active revoked"),
        ([(REVOKE, "fraud"), (CANCEL, "A")], ChangeOutcome.REVOKED, "active revoked"),
        ([(None, ""), (USE, "A")], ChangeOutcome.EXPIRED, "active"),
        ([(None, ""), (CANCEL, "A")], ChangeOutcome.EXPIRED, "active"),
        ([(None, ""), (REVOKE, "fraud")], ChangeOutcome.EXPIRED, "active"),
        ([(USE, "A"), (None, ""), (USE, "A")], REPEATED, "active used"),
        ([(USE, "A"), (None, ""), (CANCEL, "A")], DONE, "active used expired"),
        ([(USE, "A"), (None, ""), (CANCEL, "A"), (CANCEL, "A")], REPEATED, "active used expired"),
        (
            [(USE, "A"), (None, ""), (CANCEL, "A"), (USE, "B")],
            ChangeOutcome.EXPIRED,
            "active used expired",
        ),
    ],
)
def test_a_coupon_goes_only_the_ways_that_are_allowed(
    database: Database, api: Connection, coupon_id: int, steps: Steps, outcome: str, states: str
) -> None:
    """The last step has this outcome, and the chain is these states: a refusal adds no row."""
    last = None
    for wanted, text in steps:
        if wanted is None:
            make_older(database, coupon_id, range(USER, USER + 1))
        else:
            last = change(api, coupon_id, wanted, text)
    assert last is outcome
    assert chain(api, coupon_id) == states.split()


def test_the_coupon_is_shown_as_the_change_left_it(api: Connection, coupon_id: int) -> None:
    outcome, used = change_owned_coupon(
        api, USER, coupon_id, USE, "user 7 (coupon:redeem)", order_reference="A-1"
    ) or (None, None)
    assert outcome is DONE
    assert used == find_owned_coupon(api, USER, coupon_id)
    assert used is not None
    assert (used.state, used.order_reference) == (IssuedState.USED, "A-1")
    assert used.expires_at == used.issued_at + timedelta(days=1)
    [only] = list_changes(api, USER, coupon_id, 10)
    assert (only.changed_by, only.order_reference) == ("user 7 (coupon:redeem)", "A-1")
    assert only.changed_at == used.changed_at


def test_what_is_not_issued_cannot_be_changed(api: Connection, coupon_id: int) -> None:
    assert change(api, coupon_id, USE, "A", user_id=USER + 1) is None
    assert find_owned_coupon(api, USER + 1, coupon_id) is None


@pytest.mark.parametrize(("later", "state"), [("0", "expired"), ("1 microsecond", "active")])
def test_a_coupon_is_expired_from_the_very_moment_on(
    database: Database, coupon_id: int, later: str, state: str
) -> None:
    """In one transaction, in which now() stands still."""
    with psycopg.connect(database.url("coupon_owner")) as owner:
        owner.execute(
            "UPDATE issued_coupon SET issued_at = now() - interval '24 hours' + %s::interval",
            [later],
        )
        statement = "SELECT state FROM owned_coupon WHERE coupon_id = %s"
        assert owner.execute(statement, [coupon_id]).fetchone() == (state,)


def time_passes(database: Database, coupon_id: int) -> None:
    """The issued coupons of a coupon are over. It waits for none of their locks."""
    with psycopg.connect(database.superuser_url, dbname=database.name) as superuser:
        superuser.execute("SET session_replication_role = replica")  # validity only grows
        superuser.execute(
            "UPDATE coupon SET valid_until = least(valid_until, now()) WHERE coupon_id = %s",
            [coupon_id],
        )


def test_the_history_is_read_page_by_page(api: Connection, coupon_id: int) -> None:
    for order in ("A", "B", "C"):
        change(api, coupon_id, USE, order)
        change(api, coupon_id, CANCEL, order)
    first = list_changes(api, USER, coupon_id, 4)
    rest = list_changes(api, USER, coupon_id, 4, first[-1].number)
    assert [each.number for each in first + rest] == [1, 2, 3, 4, 5, 6]
    assert [each.order_reference for each in first + rest] == ["A", "A", "B", "B", "C", "C"]


def test_a_user_pages_through_their_coupons_newest_first(
    database: Database, make_coupon: MakeCoupon, api: Connection
) -> None:
    coupons = [make_coupon().coupon_id for _ in range(5)]
    for coupon_id in coupons:
        issue(database, (coupon_id, 1), (coupon_id, 2))
    first = list_owned_coupons(api, 1, 3)
    rest = list_owned_coupons(api, 1, 3, after=(first[-1].issued_at, first[-1].coupon_id))
    issued_at = [coupon.issued_at for coupon in first + rest]
    assert issued_at == sorted(issued_at, reverse=True)
    assert [coupon.coupon_id for coupon in first + rest] == coupons[::-1]


def test_a_user_finds_coupons_by_state_and_by_id(
    database: Database, make_coupon: MakeCoupon, api: Connection
) -> None:
    active, used, expired, revoked = (make_coupon().coupon_id for _ in range(4))
    set_terms(database, expired, days=1)
    issue(database, *((coupon_id, 1) for coupon_id in (active, used, expired, revoked)))
    make_older(database, expired, range(1, 2))
    change(api, used, USE, "A", 1)
    change(api, revoked, REVOKE, "fraud", 1)
    expected = {"active": active, "used": used, "expired": expired, "revoked": revoked}
    for state, coupon_id in expected.items():
        [found] = list_owned_coupons(api, 1, 10, state=IssuedState(state))
        assert (found.coupon_id, found.state) == (coupon_id, state)
        assert list_owned_coupons(api, 1, 10, coupon_id=coupon_id) == [found]
    assert list_owned_coupons(api, 1, 10, coupon_id=used, state=IssuedState.ACTIVE) == []
    assert list_owned_coupons(api, 2, 10) == []


def test_validity_only_grows_once_a_request_is_accepted(
    database: Database, api: Connection, coupon_id: int
) -> None:
    set_terms(database, coupon_id, days=2)
    found = find_owned_coupon(api, USER, coupon_id)
    assert found is not None
    assert found.expires_at == found.issued_at + timedelta(days=2)
    with pytest.raises(psycopg.errors.CheckViolation, match="shorter"):
        set_terms(database, coupon_id, days=1)
    with pytest.raises(psycopg.errors.CheckViolation, match="shorter"):
        set_terms(database, coupon_id, days=2, until=datetime.now(UTC))
    set_terms(database, coupon_id)
    found = find_owned_coupon(api, USER, coupon_id)
    assert found is not None
    assert found.expires_at is None
