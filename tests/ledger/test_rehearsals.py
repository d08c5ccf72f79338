"""Rehearsals in the ledger: who is one, who sees its events, and that its id stays its own."""

from typing import Any

import pytest
from psycopg.errors import CheckViolation

from coupons.ids import FIRST_ERASED_ID, FIRST_REHEARSAL_ID, REHEARSAL_GROUP
from coupons.ledger.connection import Connection, connect_ledger
from coupons.ledger.coupons import change_coupon, create_coupon, find_coupon
from coupons.ledger.rehearsals import begin_rehearsal, find_purged, find_rehearsal, list_rehearsals
from coupons.model import Coupon, CouponState
from coupons.queries import query
from tests.ledger.rehearsals import USERS, close, purge
from tests.support.databases import Database
from tests.support.issued import as_owner
from tests.support.ledger import MakeCoupon


def test_a_rehearsal_is_marked_with_its_creation(ops: Connection, rehearsal: Coupon) -> None:
    """An open coupon for synthetic users only, named in the audit trail."""
    assert rehearsal.is_rehearsal
    assert (rehearsal.state, rehearsal.total_quantity) == (CouponState.OPEN, 3)
    marked = find_rehearsal(ops, rehearsal.coupon_id)
    assert marked is not None
    assert (marked.purged_at, marked.counts) == (None, None)
    assert list_rehearsals(ops) == [marked]
    audited = ops.execute("SELECT acted_by, coupon_id FROM operator_action").fetchall()
    assert audited == [("somebody", rehearsal.coupon_id)]


def test_no_other_coupon_becomes_a_rehearsal(
    api: Connection, make_coupon: MakeCoupon, rehearsal: Coupon
) -> None:
    """Neither when it is made nor later; and a rehearsal stays one."""
    other = make_coupon(eligible_group="vip")
    with pytest.raises(CheckViolation, match="only `coupon rehearse` makes a rehearsal"):
        make_coupon(eligible_group=REHEARSAL_GROUP)
    with pytest.raises(CheckViolation, match="stays one"):
        change_coupon(api, other.coupon_id, eligible_group=REHEARSAL_GROUP)
    for group in (None, "vip"):
        with pytest.raises(CheckViolation, match="stays one"):
            change_coupon(api, rehearsal.coupon_id, eligible_group=group)
    assert change_coupon(api, rehearsal.coupon_id, name="another") is not None
    found = find_coupon(api, rehearsal.coupon_id)
    assert found is not None
    assert found.is_rehearsal


def test_a_rehearsal_takes_an_id_that_nobody_chose(
    api: Connection, ops: Connection, make_coupon: MakeCoupon
) -> None:
    first = begin_rehearsal(ops, "of a test", 1, "somebody").coupon_id
    make_coupon(coupon_id=first + 1)
    assert begin_rehearsal(ops, "of a test", 1, "somebody").coupon_id == first + 2


def test_the_id_of_a_purged_rehearsal_is_not_used_again(
    database: Database, api: Connection, ops: Connection, rehearsal: Coupon, consumer: Connection
) -> None:
    """Kafka may still have its records: they would issue the new coupon to nobody's users."""
    coupon_id = rehearsal.coupon_id
    definition: dict[str, Any] = {"name": "x", "total_quantity": 1, "eligible_group": None}
    definition |= {"issue_starts_at": None, "issue_ends_at": None}
    assert find_purged(consumer, [coupon_id]) == set()
    close(database, coupon_id)
    purge(ops, coupon_id)

    assert create_coupon(api, coupon_id=coupon_id, **definition) is None
    as_owner(database, "SELECT setval('coupon_id_seq', %s)", coupon_id - 1 or 1)
    made = create_coupon(api, coupon_id=None, **definition)
    assert made is not None
    assert made.coupon_id > coupon_id
    assert find_purged(consumer, [coupon_id, made.coupon_id]) == {coupon_id}


def test_a_process_asks_for_purged_coupons_before_the_migration(
    database: Database, consumer: Connection
) -> None:
    """New code runs with the old schema during an upgrade: nothing is purged then."""
    as_owner(database, "DROP TABLE rehearsal CASCADE")
    assert find_purged(consumer, [1]) == set()
    assert not consumer.closed


def test_events_leave_synthetic_users_out(database: Database) -> None:
    """Their rows never leave Postgres; those of real and of erased users do."""
    filters = as_owner(
        database,
        "SELECT tablename, rowfilter FROM pg_publication_tables"
        " WHERE pubname = 'coupon_events' AND rowfilter IS NOT NULL",
    )
    assert {table for table, _ in filters} == {"issued_coupon", "issued_coupon_change"}
    for _, condition in filters:
        ids = [1, FIRST_REHEARSAL_ID - 1, FIRST_REHEARSAL_ID, FIRST_ERASED_ID - 1, FIRST_ERASED_ID]
        statement = f"SELECT {condition} FROM unnest(%s::bigint[]) AS t (user_id)"
        sent = [row[0] for row in as_owner(database, statement, ids)]
        assert sent == [True, True, False, False, True]


def test_a_restore_brings_no_purged_rehearsal_back(
    database: Database, ops: Connection, rehearsal: Coupon
) -> None:
    """Its records in Kafka are of no coupon that was lost."""
    close(database, rehearsal.coupon_id)
    purge(ops, rehearsal.coupon_id)
    lost = {"coupon_ids": [rehearsal.coupon_id, 99], "user_ids": [USERS[0], 1]}
    with connect_ledger(database.url("coupon_owner"), "test") as owner:
        values = {**lost, "requested_at_us": [1, 1]}
        assert owner.execute(query("restore_requests"), values).fetchone() == (0, [99])
