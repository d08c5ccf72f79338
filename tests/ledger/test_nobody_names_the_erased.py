"""No table and no column names a user who was erased."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import psycopg
import pytest

from coupons.codes import CodeKind
from coupons.ledger.audience_uploads import AudienceUpload, begin_audience_upload, take_part
from coupons.ledger.audiences import AudienceOutcome
from coupons.ledger.codes import give_code
from coupons.ledger.connection import Connection, connect_ledger
from coupons.ledger.erasures import (
    UserInFlight,
    find_erasure,
)
from coupons.ledger.rebuild_lock import alone_with
from coupons.model import IssuedChange
from coupons.waiting import eventually
from tests.ledger.test_erasing import OTHER, USER, WHO, erase
from tests.support.audiences import list_users
from tests.support.changes import change_owned_coupon
from tests.support.databases import Database
from tests.support.issued import as_owner, request_and_issue, waiters
from tests.support.ledger import MakeCoupon

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
    ("coupon_audience", "listed_by"): "'erased user'",
    ("coupon_audience_chunk", "users"): "taken out",
    ("audience_upload", "unfinished"): "'erased'",
    ("audience_upload_part", "user_ids"): "taken out",
    ("standby_entry", "user_id"): "deleted",
    ("erased_request", "user_id"): "kept until Kafka's records end, then deleted",
    ("export_to_erase", "user_id"): "kept until the files are written again, then deleted",
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
    ("audience_upload", "refused"): "numbers",
    ("audience_upload", "first_refused"): "numbers and reasons",
    ("retired_coupon", "counts"): "numbers",
    ("retired_coupon", "files"): "names, numbers and digests of files",
    ("rehearsal", "counts"): "numbers",
}
"""What it does with the texts that people write, and with documents."""


COLUMNS = """
SELECT c.table_name, c.column_name, c.data_type
  FROM information_schema.columns c
  JOIN information_schema.tables t USING (table_schema, table_name)
 WHERE c.table_schema = 'public' AND t.table_type = 'BASE TABLE'
   AND position('yoyo' IN c.table_name) = 0
"""


def columns(database: Database) -> list[tuple[Any, ...]]:
    return as_owner(database, COLUMNS)


def tables_with(database: Database, needle: str) -> set[str]:
    """The tables in which a row, as text, has this."""
    found = set()
    with psycopg.connect(database.url("coupon_owner")) as owner:
        for table in {row[0] for row in columns(database)}:
            statement = f"SELECT FROM {table} t WHERE t::text ~ %s LIMIT 1"
            if owner.execute(statement.encode(), [rf"\m{needle}\M"]).fetchall():
                found.add(table)
    return found


def test_each_column_that_may_name_a_user_is_handled(database: Database) -> None:
    """A new column that names a user, or holds free text, fails this until it is erased too."""
    number_or_name = ("user", "caller", "_by", "owner", "customer", "subject")
    named = {
        (table, column)
        for table, column, _ in columns(database)
        if (any(part in column for part in number_or_name) and column != "replaced_by")
        or column == "unfinished"
    }
    assert named == set(HANDLED)
    free = ("reference", "reason", "detail", "note", "comment")
    texts = {
        (table, column)
        for table, column, kind in columns(database)
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
    as_owner(database, "INSERT INTO standby_entry (user_id, coupon_id) VALUES (%s, %s)", USER, mine)
    as_owner(database, "INSERT INTO coupon_expiry_walk VALUES (%s, now(), %s)", mine, USER)
    assert list_users(api, mine, [OTHER, USER]) is AudienceOutcome.DONE
    _, begun = begin_audience_upload(api, mine)
    assert begun is not None
    part = AudienceUpload(taken_bytes=1, lines=1)
    assert take_part(api, mine, begun, AudienceUpload(), part, [USER])
    full = {"coupon_issue_request", "issued_coupon", "issue_rejection", "issued_coupon_change"}
    full |= {"coupon_code", "dead_letter_action", "operator_action", "idempotency_key"}
    full |= {"audience_upload_part", "coupon_expiry_walk", "standby_entry"}
    assert tables_with(database, str(USER)) == full

    proof = erase(ops, by=WHO)

    assert tables_with(database, str(USER)) == {"erased_request"}
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
        "standby_entry": 1,
        "erasure": 0,
        "coupon_audience": 1,
        "audience_upload_part": 1,
    }
    assert tables_with(database, "76543210") == {"operator_action"}


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
        proof = pool.submit(erase, ops)
        eventually(lambda: waiters(database) == 1, what="the erasure waits")

        change_owned_coupon(api, USER, coupon, IssuedChange.USE, WHO, order_reference="A")
        with alone_with(reconciler, coupon) as alone:
            assert alone

        reader.rollback()
        assert proof.result().counts["issued_coupon_change"] == 1
    assert tables_with(database, str(USER)) == {"erased_request"}


def test_a_refused_erasure_leaves_the_audit_trails(
    make_coupon: MakeCoupon, database: Database, ops: Connection
) -> None:
    """Nothing was erased means nothing: they are read before the request is found in flight."""
    coupon = make_coupon().coupon_id
    as_owner(database, "INSERT INTO coupon_issue_request VALUES (%s, %s, now())", coupon, USER)
    named = "INSERT INTO operator_action (acted_by, action, result) VALUES (%s, 'x', 'done')"
    as_owner(database, named, WHO)

    with pytest.raises(UserInFlight):
        erase(ops)

    assert as_owner(database, "SELECT acted_by FROM operator_action WHERE action = 'x'") == [(WHO,)]


def test_the_proof_of_who_was_erased_may_be_asked_for_by_a_user_erased_later(
    database: Database, ops: Connection
) -> None:
    """An administrator who is erased is no longer named in the proofs of others either."""
    first = erase(ops, by=f"user {OTHER}")
    assert first.asked_by == f"user {OTHER}"

    erase(ops, OTHER)

    again = find_erasure(ops, first.erasure_id)
    assert again is not None
    assert again.asked_by == "erased user"
    assert tables_with(database, f"user {OTHER}") == set()
