"""A gate and a ledger that can be made to disagree."""

from collections.abc import Iterator, Sequence

import pytest

from coupons.gate import Gate, open_coupon
from coupons.ledger.connection import Connection, connect_ledger
from coupons.ledger.coupons import find_coupon
from coupons.ledger.issued_coupons import issue_or_reject
from coupons.ledger.requests import accept_requests, find_requests
from coupons.model import Admission, Claim, Coupon
from tests.support.databases import Database
from tests.support.ledger import MakeCoupon


@pytest.fixture
def reconciler(database: Database) -> Iterator[Connection]:
    with connect_ledger(database.url("coupon_reconciler"), "test") as connection:
        yield connection


class Shop:
    """One open coupon, and the steps of a claim, each by itself."""

    def __init__(self, gate: Gate, database: Database, coupon: Coupon) -> None:
        self.gate = gate
        self.database = database
        self.coupon_id = coupon.coupon_id
        open_coupon(gate, coupon)

    def admit(self, *users: int) -> list[Admission]:
        decisions = self.gate.admit([Claim(self.coupon_id, user) for user in users])
        return [decision for decision in decisions if isinstance(decision, Admission)]

    def accept(self, *users: int) -> None:
        with connect_ledger(self.database.url("coupon_api"), "test") as api:
            accept_requests(api, self.admit(*users))

    def issue(self, *users: int, mark: bool = True) -> None:
        with connect_ledger(self.database.url("coupon_consumer"), "test") as consumer:
            requests = find_requests(consumer, [(self.coupon_id, user) for user in users])
            outcomes = issue_or_reject(consumer, requests)
        if mark:
            self.gate.settle(outcome.request for outcome in outcomes)

    def forget(self, *users: int) -> None:
        """As a server does that lost a part of its data and kept its run_id."""
        [figures] = self.gate.figures([self.coupon_id])
        assert figures is not None
        key = f"coupon:{{{self.coupon_id}}}:{figures.epoch}"
        for user in users:
            self.gate.client.zrem(f"{key}:pending", str(user))
            for shard in range(figures.shards):
                self.gate.client.hdel(f"{key}:settled:{shard}", str(user))

    def statuses(self, *users: int) -> list[str | None]:
        read = self.gate.read(self.coupon_id, users)
        assert isinstance(read, Sequence)
        assert not isinstance(read, str)
        return [request and str(request.status) for request in read]

    def has_request(self, user: int) -> bool:
        with connect_ledger(self.database.url("coupon_ops"), "test") as ops:
            return bool(find_requests(ops, [(self.coupon_id, user)]))

    def ledger(self) -> Coupon:
        with connect_ledger(self.database.url("coupon_ops"), "test") as ops:
            coupon = find_coupon(ops, self.coupon_id)
        assert coupon is not None
        return coupon


@pytest.fixture
def shop(gate: Gate, database: Database, make_coupon: MakeCoupon) -> Shop:
    return Shop(gate, database, make_coupon(total_quantity=20))
