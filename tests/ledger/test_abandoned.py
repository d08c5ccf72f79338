"""What is given up at the client ends at the server, and a process has a bounded number of it."""

from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest

from chaos.link import Link
from coupons.errors import OutcomeUnknown
from coupons.ledger import abandoned, connection
from coupons.ledger.abandoned import AbandonedConnections
from coupons.ledger.connection import BoundedConnection, Connection, connect_ledger, translated
from coupons.ledger.refusals import LedgerRefusal, LedgerRefused
from coupons.waiting import eventually
from tests.support.databases import Database

ROLE = "coupon_consumer"


@pytest.fixture
def given_up(monkeypatch: pytest.MonkeyPatch) -> AbandonedConnections:
    """This process' own, for the test: it may have two."""
    own = AbandonedConnections(2)
    monkeypatch.setattr(connection, "ABANDONED", own)
    return own


@pytest.fixture
def link(database: Database) -> Iterator[Link]:
    with closing(Link(database.url(ROLE))) as link:
        yield link


def give_up(waiting: Connection, statement: str = "SELECT pg_sleep(60)") -> None:
    """Have the server do something that takes longer than its client waits."""
    with pytest.raises(OutcomeUnknown), translated(waiting):
        waiting.execute(statement)
    assert waiting.closed


def connected(url: str) -> Connection:
    made = connect_ledger(url, "of-a-test")
    assert isinstance(made, BoundedConnection)
    made.answer_timeout_seconds = 0.2
    return made


def at_the_server(database: Database) -> int:
    with psycopg.connect(database.superuser_url) as superuser:
        row = superuser.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'of-a-test'"
        ).fetchone()
    assert row is not None
    return int(row[0])


def test_a_statement_that_is_given_up_is_cancelled(
    database: Database, given_up: AbandonedConnections
) -> None:
    """A statement that is given up is cancelled and its connection ended."""
    for _ in range(5):
        eventually(lambda: given_up.count < 2)
        give_up(connected(database.url(ROLE)))
    eventually(lambda: at_the_server(database) == 0, 20, "nothing is left at the server")
    eventually(lambda: given_up.count == 0)


def test_a_process_whose_server_cannot_be_told_makes_no_more_connections(
    link: Link, given_up: AbandonedConnections
) -> None:
    several = [connected(link.url) for _ in range(2)]
    link.deafen()
    for each in several:
        give_up(each)
    assert given_up.count == 2
    with pytest.raises(LedgerRefused) as refused:
        connect_ledger(link.url, "of-a-test")
    assert refused.value.refusal is LedgerRefusal.ABANDONED
    link.restore()
    eventually(lambda: given_up.count == 0, what="the server was told, or hung up")
    connect_ledger(link.url, "of-a-test").close()


def test_a_server_that_is_gone_for_good_keeps_nobody_from_another(
    link: Link, given_up: AbandonedConnections, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(abandoned, "UNREACHABLE_SECONDS", 0.5)
    waiting = connected(link.url)
    link.deafen()
    give_up(waiting)
    eventually(lambda: given_up.count == 0, what="it is given up for good")
