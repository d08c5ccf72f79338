"""What tests of erasures do, and see."""

from datetime import timedelta
from typing import Any

from coupons.errors import RedisUnavailable
from coupons.gate.erasing import erase_again, erase_user
from coupons.ledger.connection import Connection, connect_ledger
from coupons.ledger.erasures import (
    Erasure,
    find_erasure,
    list_returned,
)
from coupons.ledger.issued_coupons import issue_or_reject
from coupons.ledger.requests import find_requests
from coupons.model import IssueRequest
from operations.verify.comparison import compare
from operations.verify.report import check_consistency
from tests.reconciler.conftest import Shop
from tests.support.databases import Database
from tests.support.issued import as_owner

AT_GATE = "SELECT at_gate_since IS NOT NULL FROM erasure ORDER BY erased_at"
WEEK = timedelta(days=7)


USERS = "SELECT user_id FROM coupon_issue_request ORDER BY user_id"


def issued(shop: Shop, *users: int) -> list[IssueRequest]:
    """Claims and issues for these users; returns their requests."""
    shop.accept(*users)
    shop.issue(*users)
    with connect_ledger(shop.database.url("coupon_ops"), "test") as connection:
        return find_requests(connection, [(shop.coupon_id, user) for user in users])


def handle(shop: Shop, *requests: IssueRequest) -> None:
    """What the consumer does with the records of these requests."""
    with connect_ledger(shop.database.url("coupon_consumer"), "test") as consumer:
        shop.gate.settle(outcome.request for outcome in issue_or_reject(consumer, requests))


def erase(shop: Shop, connection: Connection, user: int) -> Erasure:
    return erase_user(shop.gate, connection, user, "a test", WEEK)


def again(shop: Shop, reconciler: Connection) -> list[Erasure]:
    """What the reconciler does, without waiting until an erasure counts as cut off."""
    returned = list_returned(reconciler, -1)
    done = [each for each in returned if erase_again(shop.gate, reconciler, each)]
    found = [find_erasure(reconciler, each.erasure_id) for each in done]
    return [each for each in found if each is not None]


def no_mark_is_late_any_more(shop: Shop) -> None:
    as_owner(
        shop.database,
        "UPDATE erased_request SET at_gate_since = at_gate_since - interval '3 minutes'",
    )


def agree(shop: Shop, connection: Connection) -> None:
    """Gate and ledger hold the same requests and counts."""
    assert list(compare(shop.gate, connection, shop.coupon_id, 0)) == []
    report = check_consistency(shop.gate, connection, shop.coupon_id)
    assert report is not None
    assert not report.complaints


def users(database: Database) -> list[int]:
    return [row[0] for row in as_owner(database, USERS)]


class Down:
    """A gate whose Redis goes down before the step of an erasure."""

    def __init__(self, gate: Any) -> None:
        self.read, self.client = gate.read, gate.client

    def erase(self, _: object) -> None:
        raise RedisUnavailable
