"""Holds commits up at the moment of the commit: everything is written, nothing is durable."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import sql

from coupons.waiting import eventually
from tests.support.databases import Database

Session = psycopg.Connection[Any]


class HeldCommits:
    """While they are held, every transaction that wrote to the table waits in its COMMIT."""

    def __init__(self, database: str, holder: Session, superuser: Session) -> None:
        self._database = database
        self._holder = holder
        self._superuser = superuser

    def waiting(self) -> list[int]:
        """Process ids of the backends that wait in their COMMIT."""
        found = self._superuser.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = %s AND wait_event = 'advisory'",
            [self._database],
        )
        return [row[0] for row in found]

    def await_one(self) -> int:
        """Return when a commit waits; the process id of its backend."""
        return eventually(self.waiting, 60, "a commit is held up")[0]

    def terminate(self, pid: int) -> None:
        """End a backend in the middle of its COMMIT: nothing that it wrote is there."""
        self._superuser.execute("SELECT pg_terminate_backend(%s)", [pid])

    def let_go(self) -> None:
        """All of them, and those to come."""
        self._holder.execute("SELECT pg_advisory_unlock_all()")


@contextmanager
def held_commits(database: Database, table: str) -> Iterator[HeldCommits]:
    """A constraint trigger, which runs as the first part of COMMIT, waits for a lock of ours.

    Whoever commits waits for 4 s at most: what is done meanwhile is done over open connections.
    """
    with (
        psycopg.connect(database.url("coupon_owner"), autocommit=True) as owner,
        psycopg.connect(database.superuser_url, autocommit=True) as superuser,
    ):
        owner.execute(
            "CREATE FUNCTION wait_in_commit() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS"
            " 'BEGIN PERFORM pg_advisory_xact_lock_shared(1); RETURN NULL; END'"
        )
        owner.execute(
            sql.SQL(
                "CREATE CONSTRAINT TRIGGER hold_up AFTER INSERT ON {}"
                " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION wait_in_commit()"
            ).format(sql.Identifier(table))
        )
        owner.execute("SELECT pg_advisory_lock(1)")
        held = HeldCommits(database.name, owner, superuser)
        try:
            yield held
        finally:
            held.let_go()
