"""What a purge of a rehearsal takes, leaves, and refuses."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import psycopg
import pytest

from coupons.codes import CodeKind
from coupons.errors import NotThere
from coupons.ledger.audience_uploads import begin_audience_upload
from coupons.ledger.audiences import AudienceOutcome
from coupons.ledger.codes import choose_codes, give_code
from coupons.ledger.connection import Connection, connect_ledger
from coupons.ledger.coupons import find_coupon
from coupons.ledger.erasures import erase_in_ledger
from coupons.ledger.rebuild_lock import alone_with
from coupons.ledger.rehearsals import PurgeRefused, begin_rehearsal, count_rows
from coupons.model import Coupon, IssuedChange
from coupons.waiting import eventually
from tests.ledger.rehearsals import USERS, WEEK, close, purge
from tests.support.audiences import list_users
from tests.support.changes import change_owned_coupon
from tests.support.databases import Database
from tests.support.issued import as_owner, request_and_issue, waiters
from tests.support.ledger import MakeCoupon


def rows(database: Database) -> dict[str, list[str]]:
    """Of every table but those of migrations, each row as text."""
    with psycopg.connect(database.url("coupon_owner")) as owner:
        names = owner.execute(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
            " AND table_type = 'BASE TABLE' AND position('yoyo' IN table_name) = 0"
        ).fetchall()
        return {
            name: sorted(row[0] for row in owner.execute(f"SELECT t::text FROM {name} t".encode()))
            for (name,) in names
        }


def fill(database: Database, api: Connection, coupon_id: int, users: range) -> None:
    """A row in every table that a coupon can have rows in."""
    assert choose_codes(api, coupon_id, CodeKind.MADE, "a test")[0] == "done"
    request_and_issue(database, coupon_id, users)
    assert change_owned_coupon(
        api, users[0], coupon_id, IssuedChange.USE, "a test", order_reference="A"
    )
    assert give_code(api, users[1], coupon_id)
    for statement in (
        "INSERT INTO coupon_expiry_walk (coupon_id) VALUES (%s)",
        "INSERT INTO idempotency_key (caller_id, key, body_digest, coupon_id)"
        f" VALUES (1, 'k{coupon_id}', sha256('x'), %s)",
        "INSERT INTO dead_letter_action (acted_by, action, result, detail, letter_partition,"
        " letter_offset, set_aside_at, record_topic, record_partition, record_offset, coupon_id)"
        " VALUES ('a', 'discard', 'discarded', 'd', 0, 0, now(), 't', 0, 0, %s)",
    ):
        as_owner(database, statement, coupon_id)
    made = as_owner(
        database, "INSERT INTO erasure (asked_by, counts) VALUES ('a', '{}') RETURNING erasure_id"
    )
    as_owner(
        database,
        "INSERT INTO erased_request (user_id, coupon_id, requested_at, erasure_id)"
        " VALUES (%s, %s, now(), %s)",
        users[2],
        coupon_id,
        made[0][0],
    )
    assert list_users(api, coupon_id, users) is AudienceOutcome.DONE
    assert begin_audience_upload(api, coupon_id)[0] is AudienceOutcome.BEGUN
    for statement in (
        "INSERT INTO waiting_room (coupon_id) VALUES (%s)",
        f"INSERT INTO standby_entry (user_id, coupon_id) VALUES ({users[0]}, %s)",
        "INSERT INTO retired_coupon (coupon_id) VALUES (%s)",
        "INSERT INTO discarded_coupon (coupon_id, codes, list_size) VALUES (%s, 0, 0)",
        "INSERT INTO export_to_erase (user_id, coupon_id, erasure_id)"
        f" VALUES ({users[2]}, %s, '{made[0][0]}')",
    ):
        as_owner(database, statement, coupon_id)


def test_a_purge_leaves_a_proof_and_nothing_else(
    database: Database, api: Connection, ops: Connection, make_coupon: MakeCoupon
) -> None:
    """In every table of the database, looked at as a whole; a coupon beside it is untouched."""
    other = make_coupon().coupon_id
    fill(database, api, other, range(1, 6))
    before = rows(database)
    coupon_id = begin_rehearsal(ops, "of a test", 3, "somebody").coupon_id
    fill(database, api, coupon_id, USERS)
    held = count_rows(ops, coupon_id)
    assert all(held.values()), held
    close(database, coupon_id)

    proof = purge(ops, coupon_id)

    assert proof.counts == {**held, "operator_action": held["operator_action"] + 1}
    assert proof.log_forgets_at == proof.purged_at + WEEK
    assert set(count_rows(ops, coupon_id).values()) == {0}
    after = rows(database)
    audited = "SELECT acted_by, action, coupon_id, detail FROM operator_action"
    [done] = as_owner(database, f"{audited} WHERE action = 'purge rehearsal'")
    assert done == ("somebody", "purge rehearsal", None, f"rehearsal {coupon_id}")
    assert len(after.pop("rehearsal")) == 1
    assert len(after.pop("operator_action")) == len(before.pop("operator_action")) + 1
    assert len(after.pop("erasure")) == len(before.pop("erasure")) + 1  # of a user, not a coupon
    before.pop("rehearsal")
    assert after == before


def test_a_purge_forgets_no_table_that_a_later_version_adds(
    database: Database, ops: Connection, rehearsal: Coupon
) -> None:
    """It needs no name of a table: a column coupon_id is enough, and it finds a good order."""
    as_owner(database, "CREATE TABLE a_later_one (coupon_id bigint REFERENCES coupon, n int)")
    as_owner(database, "CREATE TABLE in_parts (coupon_id bigint, n int) PARTITION BY LIST (n)")
    as_owner(database, "CREATE TABLE a_part PARTITION OF in_parts FOR VALUES IN (1)")
    for table in ("a_later_one", "in_parts"):
        as_owner(database, f"INSERT INTO {table} VALUES (%s, 1)", rehearsal.coupon_id)
    close(database, rehearsal.coupon_id)

    proof = purge(ops, rehearsal.coupon_id)

    assert (proof.counts["a_later_one"], proof.counts["in_parts"]) == (1, 1)
    assert "a_part" not in proof.counts
    assert set(count_rows(ops, rehearsal.coupon_id).values()) == {0}


def test_a_user_is_erased_while_a_purge_runs(
    database: Database, ops: Connection, rehearsal: Coupon
) -> None:
    """It may take long: an erasure locks the table of sweeps, which a purge needs last."""
    as_owner(database, "INSERT INTO waiting_room (coupon_id) VALUES (%s)", rehearsal.coupon_id)
    close(database, rehearsal.coupon_id)
    with (
        connect_ledger(database.url("coupon_ops"), "test") as other,
        ThreadPoolExecutor(1) as pool,
        psycopg.connect(database.url("coupon_owner")) as owner,
    ):
        owner.execute("SELECT FROM waiting_room FOR UPDATE")
        purged = pool.submit(purge, ops, rehearsal.coupon_id)
        eventually(lambda: waiters(database) == 1, what="the purge is under way")
        other.execute("SET lock_timeout = '1s'")
        assert erase_in_ledger(other, 4711, [], "somebody", None)
        owner.rollback()
        assert purged.result().counts["waiting_room"] == 1


def test_what_other_work_waits_for_is_purged_last(
    database: Database, ops: Connection, rehearsal: Coupon
) -> None:
    """The row of a sweep, if there is one; after it only the coupon, which it refers to."""
    coupon_id = rehearsal.coupon_id
    as_owner(database, "INSERT INTO coupon_expiry_walk (coupon_id) VALUES (%s)", coupon_id)
    as_owner(database, "CREATE TABLE seen (n int GENERATED ALWAYS AS IDENTITY, t text)")
    as_owner(
        database,
        "CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS"
        " 'BEGIN INSERT INTO public.seen (t) VALUES (TG_TABLE_NAME); RETURN NULL; END'",
    )
    for table in count_rows(ops, coupon_id):
        as_owner(database, f"CREATE TRIGGER z AFTER DELETE ON {table} EXECUTE FUNCTION see()")
    close(database, coupon_id)
    purge(ops, coupon_id)
    seen = [table for (table,) in as_owner(database, "SELECT t FROM seen ORDER BY n")]
    assert seen == ["operator_action", "coupon_expiry_walk", "coupon"]


def test_every_table_of_coupons_is_purged(database: Database, ops: Connection) -> None:
    """Every one that names a coupon, by the standard's own list of columns."""
    named = as_owner(
        database,
        "SELECT table_name FROM information_schema.columns JOIN information_schema.tables"
        " USING (table_schema, table_name) WHERE table_schema = 'public'"
        " AND column_name = 'coupon_id' AND table_type = 'BASE TABLE'",
    )
    assert {*count_rows(ops, 1), "rehearsal"} == {name for (name,) in named}


def test_what_is_in_flight_open_or_rebuilt_is_not_purged(
    database: Database, ops: Connection, rehearsal: Coupon
) -> None:
    """Nothing is deleted then, and the message says what to do."""
    coupon_id = rehearsal.coupon_id
    with pytest.raises(PurgeRefused, match="opened again"):
        purge(ops, coupon_id)
    request = "INSERT INTO coupon_issue_request VALUES (%s, %s, now())"
    as_owner(database, request, coupon_id, USERS[0])
    close(database, coupon_id)
    with pytest.raises(PurgeRefused, match="not final: nothing was purged"):
        purge(ops, coupon_id)
    as_owner(database, "DELETE FROM coupon_issue_request WHERE coupon_id = %s", coupon_id)
    with (
        connect_ledger(database.url("coupon_reconciler"), "test") as reconciler,
        alone_with(reconciler, coupon_id) as alone,
    ):
        assert alone
        with pytest.raises(PurgeRefused, match="being rebuilt"):
            purge(ops, coupon_id)
    assert count_rows(ops, coupon_id)["coupon"] == 1
    assert purge(ops, coupon_id).counts["coupon"] == 1


def test_only_a_rehearsal_is_purged(
    database: Database, ops: Connection, make_coupon: MakeCoupon
) -> None:
    """Whoever asks: the ledger looks at the mark itself."""
    coupon_id = make_coupon(eligible_group="vip").coupon_id
    close(database, coupon_id)
    for wanted in (coupon_id, coupon_id + 1):
        with pytest.raises(NotThere, match="is no rehearsal"):
            purge(ops, wanted)
    assert find_coupon(ops, coupon_id) is not None


def test_a_second_purge_shows_the_same_proof(
    database: Database, ops: Connection, rehearsal: Coupon
) -> None:
    close(database, rehearsal.coupon_id)
    first = purge(ops, rehearsal.coupon_id, None)
    assert first.log_forgets_at is None
    assert purge(ops, rehearsal.coupon_id, WEEK) == first
    assert json.dumps(first.counts)
    assert first.purged_at <= datetime.now(UTC)
