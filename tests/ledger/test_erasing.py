"""Nothing in the ledger names a user who was erased, whatever table it is in."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest

from coupons.codes import CodeKind
from coupons.ids import FIRST_ERASED_ID
from coupons.ledger.codes import give_code
from coupons.ledger.connection import Connection, connect_ledger
from coupons.ledger.erasures import (
    Erasure,
    UserInFlight,
    erase_in_ledger,
    find_erasure,
    find_requests_to_erase,
)
from coupons.ledger.owned_coupons import expire_issued_coupons, list_changes
from coupons.ledger.rebuild_lock import alone_with
from coupons.model import IssuedChange
from coupons.waiting import eventually
from operations.verify.lives import find_wrong_changes
from tests.support.changes import change_owned_coupon
from tests.support.databases import Database
from tests.support.issued import as_owner, make_older, request_and_issue, set_terms, waiters
from tests.support.ledger import MakeCoupon

USER, OTHER = 7654321, 8
WHO = f"user {USER}"
WEEK = timedelta(days=7)

HANDLED = {
    ("coupon_issue_request", "user_id"): "replaced",
    ("issued_coupon", "user_id"): "replaced",
    ("issue_rejection", "user_id"): "replaced",
    ("issued_coupon_change", "user_id"): "replaced",
    ("issued_coupon_change", "changed_by"): "'erased user'",
    ("coupon_code", "user_id"): "replaced",
    ("coupon_expiry_walk", "after_user_id"): "one less: only where a sweep is",
    ("dead_letter_action", "user_id"): "null",
    ("dead_letter_action", "acted_by"): "'erased user'",
    ("operator_action", "acted_by"): "'erased user'",
    ("erasure", "asked_by"): "'erased user'",
    ("idempotency_key", "caller_id"): "deleted",
    ("erased_request", "user_id"): "kept until Kafka's records end, then deleted",
}
"""What an erasure does with each column that may name a user."""

TEXTS = {
    ("issued_coupon_change", "order_reference"): "numbered",
    ("issued_coupon_change", "reason"): "'erased'",
    ("dead_letter_action", "detail"): "'user N' becomes 'erased user'",
    ("operator_action", "detail"): "'user N' becomes 'erased user'",
    ("operator_action", "changes"): "columns of a coupon",
    ("coupon", "metadata"): "the shop's, of all users",
    ("coupon", "discount"): "the shop's, of all users",
    ("erasure", "counts"): "numbers",
}
"""What it does with the texts that people write, and with documents."""

COLUMNS = """
SELECT c.table_name, c.column_name, c.data_type
  FROM information_schema.columns c
  JOIN information_schema.tables t USING (table_schema, table_name)
 WHERE c.table_schema = 'public' AND t.table_type = 'BASE TABLE'
   AND position('yoyo' IN c.table_name) = 0
"""


@pytest.fixture
def ops(database: Database) -> Iterator[Connection]:
    with closing(connect_ledger(database.url("coupon_ops"), "test")) as connection:
        yield connection


def _erase(connection: Connection, user: int = USER, by: str = "a test") -> Erasure:
    coupons = [request.coupon_id for request in find_requests_to_erase(connection, user)]
    made = erase_in_ledger(connection, user, coupons, by, WEEK)
    proof = find_erasure(connection, made)
    assert proof is not None
    return proof


def _columns(database: Database) -> list[tuple[Any, ...]]:
    return as_owner(database, COLUMNS)


def _tables_with(database: Database, needle: str) -> set[str]:
    """The tables in which a row, as text, has this."""
    found = set()
    with psycopg.connect(database.url("coupon_owner")) as owner:
        for table in {row[0] for row in _columns(database)}:
            statement = f"SELECT FROM {table} t WHERE t::text ~ %s LIMIT 1"
            if owner.execute(statement.encode(), [rf"\m{needle}\M"]).fetchall():
                found.add(table)
    return found


def test_each_column_that_may_name_a_user_is_handled(database: Database) -> None:
    """A new column that names a user, or holds free text, fails this until it is erased too."""
    number_or_name = ("user", "caller", "_by", "owner", "customer", "subject")
    named = {
        (table, column)
        for table, column, _ in _columns(database)
        if any(part in column for part in number_or_name) and column != "replaced_by"
    }
    assert named == set(HANDLED)
    free = ("reference", "reason", "detail", "note", "comment")
    texts = {
        (table, column)
        for table, column, kind in _columns(database)
        if kind == "jsonb" or (any(part in column for part in free) and table != "issue_rejection")
    }
    assert texts == set(TEXTS)


def test_no_row_names_who_was_erased(
    coded_coupon: Callable[..., int],
    make_coupon: MakeCoupon,
    database: Database,
    api: Connection,
    ops: Connection,
) -> None:
    """Requests, outcomes, changes, codes, audit trails, keys: each is looked at as text."""
    mine, sold_out = coded_coupon(CodeKind.POOL, "FIRST1"), make_coupon(total_quantity=1).coupon_id
    request_and_issue(database, mine, range(USER, USER + 1))
    request_and_issue(database, sold_out, range(OTHER, OTHER + 1))
    request_and_issue(database, sold_out, range(USER, USER + 1))
    request_and_issue(database, mine, range(OTHER, OTHER + 1))
    give_code(api, USER, mine)
    use = {"order_reference": f"order of {USER}"}
    till = {"order_reference": "of another"}
    change_owned_coupon(api, USER, mine, IssuedChange.USE, WHO, **use)
    change_owned_coupon(api, USER, mine, IssuedChange.CANCEL_USE, WHO, **use)
    change_owned_coupon(api, USER, mine, IssuedChange.REVOKE, "user 1", reason=f"{USER} cheats")
    change_owned_coupon(api, OTHER, mine, IssuedChange.USE, f"{WHO} (coupon:redeem)", **till)
    change_owned_coupon(api, OTHER, mine, IssuedChange.CANCEL_USE, "user 1", **till)
    change_owned_coupon(api, OTHER, mine, IssuedChange.REVOKE, WHO, reason=f"friend of {WHO}")
    as_owner(
        database,
        "INSERT INTO operator_action (acted_by, action, result, detail)"
        " VALUES (%s, 'rebuild gate', 'done', 'asked for by user 76543210 and user 7654321.')",
        WHO,
    )
    as_owner(
        database,
        "INSERT INTO dead_letter_action (acted_by, action, result, detail, letter_partition,"
        " letter_offset, set_aside_at, record_topic, record_partition, record_offset, coupon_id,"
        " user_id) VALUES (%s, 'discard', 'discarded', 'of user 7654321', 0, 0, now(), 't', 0, 0,"
        " %s, %s)",
        WHO,
        mine,
        USER,
    )
    api.execute("SELECT take_idempotency_key(%s, 'k', sha256('x'))", [USER])
    as_owner(database, "INSERT INTO coupon_expiry_walk VALUES (%s, now(), %s)", mine, USER)
    full = {"coupon_issue_request", "issued_coupon", "issue_rejection", "issued_coupon_change"}
    full |= {"coupon_code", "dead_letter_action", "operator_action", "idempotency_key"}
    assert _tables_with(database, str(USER)) == full | {"coupon_expiry_walk"}

    proof = _erase(ops, by=WHO)

    assert _tables_with(database, str(USER)) == {"erased_request"}
    assert proof.asked_by == "erased user"
    assert proof.counts == {
        "coupon_issue_request": 2,
        "issued_coupon": 1,
        "issue_rejection": 1,
        "issued_coupon_change": 3,
        "changed_by": 4,
        "coupon_code": 1,
        "dead_letter_action": 1,
        "operator_action": 1,
        "idempotency_key": 1,
        "erasure": 0,
    }
    assert _tables_with(database, "76543210") == {"operator_action"}


def test_nobody_waits_while_the_audit_trails_are_read(
    make_coupon: MakeCoupon, database: Database, api: Connection, ops: Connection
) -> None:
    """They may be long. Uses and rebuilds go on, and what they write meanwhile is erased, too."""
    coupon = make_coupon().coupon_id
    request_and_issue(database, coupon, range(USER, USER + 1))
    named = "INSERT INTO operator_action (acted_by, action, result) VALUES (%s, 'x', 'done')"
    as_owner(database, named, WHO)
    with (
        ThreadPoolExecutor(1) as pool,
        psycopg.connect(database.url("coupon_owner")) as reader,
        closing(connect_ledger(database.url("coupon_reconciler"), "test")) as reconciler,
    ):
        reader.execute("SELECT FROM operator_action FOR UPDATE")
        proof = pool.submit(_erase, ops)
        eventually(lambda: waiters(database) == 1, what="the erasure waits")

        change_owned_coupon(api, USER, coupon, IssuedChange.USE, WHO, order_reference="A")
        with alone_with(reconciler, coupon) as alone:
            assert alone

        reader.rollback()
        assert proof.result().counts["issued_coupon_change"] == 1
    assert _tables_with(database, str(USER)) == {"erased_request"}


def test_a_refused_erasure_leaves_the_audit_trails(
    make_coupon: MakeCoupon, database: Database, ops: Connection
) -> None:
    """Nothing was erased means nothing: they are read before the request is found in flight."""
    coupon = make_coupon().coupon_id
    as_owner(database, "INSERT INTO coupon_issue_request VALUES (%s, %s, now())", coupon, USER)
    named = "INSERT INTO operator_action (acted_by, action, result) VALUES (%s, 'x', 'done')"
    as_owner(database, named, WHO)

    with pytest.raises(UserInFlight):
        _erase(ops)

    assert as_owner(database, "SELECT acted_by FROM operator_action WHERE action = 'x'") == [(WHO,)]


def test_an_erased_coupon_keeps_its_life_without_names(
    coded_coupon: Callable[..., int], database: Database, api: Connection, ops: Connection
) -> None:
    """States, times and numbers of its orders stay, so that every check of lives still holds."""
    coupon = coded_coupon(CodeKind.POOL, "FIRST1")
    request_and_issue(database, coupon, range(USER, USER + 1))
    code = give_code(api, USER, coupon)
    for order in ("A", "B"):
        for change in (IssuedChange.USE, IssuedChange.CANCEL_USE):
            change_owned_coupon(api, USER, coupon, change, WHO, order_reference=order)
    before = list_changes(api, USER, coupon, 10)

    _erase(ops)

    [[nobody]] = as_owner(database, "SELECT user_id FROM issued_coupon")
    after = list_changes(api, nobody, coupon, 10)
    assert nobody >= FIRST_ERASED_ID
    assert [each[:4] for each in after] == [each[:4] for each in before]
    orders = [each.order_reference for each in after]
    assert orders == ["erased 1", "erased 1", "erased 3", "erased 3"]
    assert find_wrong_changes(ops, None, 10) == []
    assert give_code(api, nobody, coupon)[1] == code[1]


def test_two_coupons_of_an_erased_user_have_different_ids(
    make_coupon: MakeCoupon, database: Database, ops: Connection
) -> None:
    """Nothing shows that they belonged to one user."""
    coupons = [make_coupon().coupon_id for _ in range(3)]
    for coupon in coupons:
        request_and_issue(database, coupon, range(USER, USER + 1))

    _erase(ops)

    assert len(set(as_owner(database, "SELECT user_id FROM issued_coupon"))) == 3


def test_an_erasure_streams_nothing(make_coupon: MakeCoupon, database: Database) -> None:
    """The publications have inserts only, and no row is inserted into their tables."""
    published = "SELECT pubname FROM pg_publication WHERE pubupdate OR pubdelete OR pubtruncate"
    assert as_owner(database, published) == []
    coupon = make_coupon().coupon_id
    request_and_issue(database, coupon, range(USER, USER + 1))
    inserted = (
        "SELECT sum(n_tup_ins) FROM pg_stat_xact_user_tables"
        " WHERE relname IN ('coupon_issue_request', 'issued_coupon', 'issued_coupon_change')"
    )
    with psycopg.connect(database.url("coupon_owner")) as owner:
        owner.execute("SELECT erase_user(%s, %s, 'a test', NULL)", [USER, [coupon]])
        row = owner.execute(inserted.encode()).fetchone()
    assert row == (0,)


def test_what_was_erased_still_expires(
    make_coupon: MakeCoupon, database: Database, ops: Connection
) -> None:
    """A sweep that has passed the user, or is under way, writes the end under the new id."""
    coupon = make_coupon().coupon_id
    set_terms(database, coupon, days=1)
    request_and_issue(database, coupon, range(USER, USER + 3))
    make_older(database, coupon, range(USER, USER + 3), days=3)
    with connect_ledger(database.url("coupon_reconciler"), "test") as reconciler:
        assert expire_issued_coupons(reconciler, coupon, 1).expired_rows == 1
        _erase(ops, USER)
        _erase(ops, USER + 1)
        while not expire_issued_coupons(reconciler, coupon, 1).is_done:
            pass

    ended = as_owner(database, "SELECT user_id, to_state FROM issued_coupon_change")
    assert len(ended) == 3
    assert {state for _, state in ended} == {"expired"}


def test_ids_that_replace_users_cannot_be_erased(ops: Connection) -> None:
    """They are nobody's; and no id outside of the users' range is taken."""
    for nobody in (FIRST_ERASED_ID, 2**63 - 1, 0, -1):
        with pytest.raises(psycopg.DataError, match="the id of no user"):
            ops.execute("SELECT erase_user(%s, '{}', 'a test', NULL)", [nobody])


def test_a_proof_names_nobody_and_says_when(
    make_coupon: MakeCoupon, database: Database, ops: Connection
) -> None:
    """When it was done, by whom, how much, and when Kafka has deleted the last record."""
    request_and_issue(database, make_coupon().coupon_id, range(USER, USER + 1))

    proof = _erase(ops)

    assert isinstance(proof.erasure_id, UUID)
    assert abs(proof.erased_at - datetime.now(UTC)) < timedelta(minutes=1)
    assert proof.log_forgets_at is not None
    assert proof.log_forgets_at - proof.erased_at < WEEK + timedelta(minutes=1)
    [[action, detail]] = as_owner(
        database, "SELECT action, detail FROM operator_action WHERE action = 'erase user'"
    )
    assert (action, detail) == ("erase user", f"erasure {proof.erasure_id}")


def test_the_proof_of_who_was_erased_may_be_asked_for_by_a_user_erased_later(
    database: Database, ops: Connection
) -> None:
    """An administrator who is erased is no longer named in the proofs of others either."""
    first = _erase(ops, by=f"user {OTHER}")
    assert first.asked_by == f"user {OTHER}"

    _erase(ops, OTHER)

    again = find_erasure(ops, first.erasure_id)
    assert again is not None
    assert again.asked_by == "erased user"
    assert _tables_with(database, f"user {OTHER}") == set()
