"""Checks that Postgres would take the write of a claim. A server that answers may not."""

from coupons.ledger.connection import Connection, translated
from coupons.ledger.refusals import LedgerRefusal, LedgerRefused
from coupons.queries import query


def check_takes_writes(connection: Connection) -> None:
    """Check that Postgres takes writes, with a write that is rolled back.

    Raises LedgerRefused with the reason (a standby, read only, a full disk, commits that no
    standby confirms), LedgerUnavailable when it is down.
    """
    with translated(connection):
        row = connection.execute(query("read_serving")).fetchone()
    assert row is not None
    in_recovery, read_only, standbys = row
    if in_recovery:
        raise LedgerRefused(LedgerRefusal.READ_ONLY, "it is in recovery, as a standby is")
    if read_only:
        detail = "default_transaction_read_only is on, for it or for this role or database"
        raise LedgerRefused(LedgerRefusal.READ_ONLY, detail)
    if standbys:
        _check_standbys(connection, standbys)
    # Rolled back: a commit would wait for a standby, and for the disk.
    with translated(connection), connection.transaction(force_rollback=True):
        connection.execute(query("try_write"))


def count_unconfirmed(connection: Connection) -> int:
    """How many commits have waited for a synchronous standby for a second or more.

    Raises LedgerUnavailable.
    """
    return _standby_state(connection)[1]


def _standby_state(connection: Connection) -> tuple[int, int]:
    """(standbys that confirm commits, commits that have waited long for one)."""
    with translated(connection):
        row = connection.execute(query("read_standby_state")).fetchone()
    assert row is not None
    return int(row[0]), int(row[1])


def _check_standbys(connection: Connection, wanted: str) -> None:
    confirming, unconfirmed = _standby_state(connection)
    if unconfirmed or not confirming:
        detail = f"{unconfirmed} commits wait too long; synchronous_standby_names is {wanted!r}"
        raise LedgerRefused(LedgerRefusal.STANDBY_AWAY, detail)
