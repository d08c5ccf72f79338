"""The consumer's connection to Postgres is ended while it issues, at whatever moment."""

from collections.abc import Iterator
from contextlib import suppress
from random import Random
from threading import Event, Thread

import psycopg
import pytest

from cdc_consumer.issuing import Issuer
from coupons.errors import LedgerUnavailable
from coupons.model import IssueRequest, Status
from tests.support.databases import Database
from tests.support.ledger import MakeCoupon

BATCHES, BATCH = 60, 50
ONE_BATCH_SECONDS = 0.01
TERMINATE = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE usename = 'coupon_consumer' AND datname = %s"
)


@pytest.fixture
def ledger(database: Database) -> Iterator[Issuer]:
    connected = Issuer(database.url("coupon_consumer"))
    yield connected
    connected.close()


def test_terminated_backends_leave_no_broken_connection(
    database: Database, make_coupon: MakeCoupon, ledger: Issuer
) -> None:
    """A pipeline that is cut short seems open for ever, and every batch after it fails."""
    coupon_id = make_coupon(total_quantity=BATCHES * BATCH).coupon_id
    stop, moments = Event(), Random(1)

    def terminate() -> None:
        with psycopg.connect(database.superuser_url, autocommit=True) as superuser:
            while not stop.wait(moments.uniform(0, ONE_BATCH_SECONDS)):
                superuser.execute(TERMINATE, [database.name])

    terminating = Thread(target=terminate)
    terminating.start()
    for number in range(BATCHES):
        users = range(number * BATCH + 1, (number + 1) * BATCH + 1)
        with suppress(LedgerUnavailable):
            ledger.issue([IssueRequest(coupon_id, user, 1, Status.REQUESTED) for user in users])
    stop.set()
    terminating.join()
    last = [IssueRequest(coupon_id, 1, 1, Status.REQUESTED)]
    with suppress(LedgerUnavailable):
        ledger.issue(last)  # Over a connection that was ended just now, perhaps.
    assert len(ledger.issue(last).outcomes) == 1
