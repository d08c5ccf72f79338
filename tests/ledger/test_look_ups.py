"""Statements of a sale look rows up, also when their plan was made while the tables were small."""

from collections.abc import Callable
from contextlib import closing
from functools import partial

from api.change_writer import ChangeWriter
from api.ledger_connections import LedgerConnections
from cdc_consumer.issuing import Issuer
from coupons.ledger.owned_coupons import Changed, WantedChange
from coupons.model import IssuedChange, IssueRequest, Status
from coupons.waiting import eventually
from tests.support.databases import Database
from tests.support.issued import NOW_US, as_owner
from tests.support.ledger import MakeCoupon

BATCHES = 40
"""Postgres keeps a plan from the sixth time on."""
BATCH = 50
MOST_READ = 8 * BATCHES * BATCH
"""A use reads its row and its changes some times; all rows in each batch would be 40 times."""
GROWING = ("issued_coupon", "issue_rejection", "issued_coupon_change")


def _rows_read(database: Database, work: Callable[[], object], inserted: int) -> int:
    """How many rows or index entries of the growing tables were read meanwhile.

    inserted: how many rows the work inserts into them. A session reports what it did when it has
    ended, at the latest.
    """
    read_before, inserted_before = _counts(database)
    work()
    eventually(lambda: _counts(database)[1] == inserted_before + inserted)
    return _counts(database)[0] - read_before


def _counts(database: Database) -> tuple[int, int]:
    """Rows and index entries read, and rows inserted, of all growing tables."""
    statement = (
        "SELECT sum(seq_tup_read + (SELECT sum(idx_tup_read) FROM pg_stat_user_indexes i"
        " WHERE i.relid = t.relid))::bigint, sum(n_tup_ins)::bigint"
        " FROM pg_stat_user_tables t WHERE relname = ANY(%s)"
    )
    [(read, inserted)] = as_owner(database, statement, list(GROWING))
    return read, inserted


def _users(batch: int) -> range:
    return range(batch * BATCH + 1, (batch + 1) * BATCH + 1)


def _issue_all(database: Database, coupon_id: int) -> None:
    with closing(Issuer(database.url("coupon_consumer"))) as issuer:
        for batch in range(BATCHES):
            issued = issuer.issue(
                [IssueRequest(coupon_id, user, NOW_US, Status.REQUESTED) for user in _users(batch)]
            )
            assert len(issued.outcomes) == BATCH


def _use_all(database: Database, coupon_id: int) -> None:
    connections = LedgerConnections(database.url("coupon_api"), "test")
    writer = ChangeWriter(connections)
    for batch in range(BATCHES):
        wanted = [
            WantedChange(user, coupon_id, IssuedChange.USE, "user 1", order_reference="o")
            for user in _users(batch)
        ]
        assert all(isinstance(each, Changed) for each in writer.write(wanted))
    with connections.lend() as connection:
        connection.close()


def test_issuing_into_an_empty_ledger_never_reads_a_whole_table(
    database: Database, make_coupon: MakeCoupon
) -> None:
    """Half of them are issued and half rejected."""
    coupon_id = make_coupon(total_quantity=BATCHES * BATCH // 2).coupon_id
    issue_all = partial(_issue_all, database, coupon_id)
    assert _rows_read(database, issue_all, BATCHES * BATCH) < MOST_READ


def test_the_first_uses_of_a_new_ledger_never_read_a_whole_table(
    database: Database, make_coupon: MakeCoupon
) -> None:
    coupon_id = make_coupon(total_quantity=BATCHES * BATCH).coupon_id

    def issue_and_use() -> None:
        _issue_all(database, coupon_id)
        _use_all(database, coupon_id)

    assert _rows_read(database, issue_and_use, 2 * BATCHES * BATCH) < MOST_READ
