"""In place of connector and consumer: issues what is requested, without Kafka."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

from coupons.gate import Gate
from coupons.ledger.connection import connect_ledger
from coupons.ledger.issued_coupons import issue_or_reject
from coupons.ledger.requests import find_requests
from tests.support.databases import Database
from tests.support.issued import as_owner

_NOT_FINAL = (
    "SELECT coupon_id, user_id FROM coupon_issue_request AS request"
    " WHERE NOT EXISTS (SELECT FROM issued_coupon AS issued WHERE issued.coupon_id ="
    " request.coupon_id AND issued.user_id = request.user_id)"
)


@contextmanager
def requests_issued(database: Database, gate: Gate) -> Iterator[None]:
    """While it lasts, requests become issued coupons within some hundredths of a second."""
    stop = Event()

    def work() -> None:
        with connect_ledger(database.url("coupon_consumer"), "test") as consumer:
            while not stop.wait(0.05):
                keys = [(row[0], row[1]) for row in as_owner(database, _NOT_FINAL)]
                outcomes = issue_or_reject(consumer, find_requests(consumer, keys))
                gate.settle(outcome.request for outcome in outcomes)

    thread = Thread(target=work, name="issuing")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
