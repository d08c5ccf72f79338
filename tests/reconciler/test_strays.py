"""Rows that belong to nothing are named, whoever wrote them."""

from collections.abc import Iterator

import pytest

from coupons.ledger.connection import Connection, connect_ledger
from operations.verify.unmatched_rows import find_requests_without_coupon, find_unmatched
from tests.reconciler.conftest import Shop
from tests.support.databases import Database


@pytest.fixture
def owner(database: Database) -> Iterator[Connection]:
    with connect_ledger(database.url("coupon_owner"), "test") as connection:
        yield connection


def named(ops: Connection, coupon_id: int | None = None) -> list[tuple[int, int, str]]:
    return [(f.coupon_id, f.user_id, f.why) for f in find_unmatched(ops, coupon_id)]


def test_rows_that_belong_together_are_not_named(shop: Shop, ops: Connection) -> None:
    shop.accept(1, 2)
    shop.issue(1)
    assert named(ops) == []


def test_a_request_whose_coupon_does_not_exist_is_named(
    shop: Shop, ops: Connection, owner: Connection
) -> None:
    shop.accept(1)
    for coupon_id in (shop.coupon_id + 5, shop.coupon_id + 9):
        owner.execute("INSERT INTO coupon_issue_request VALUES (%s, 7, now())", [coupon_id])
    assert named(ops) == [
        (shop.coupon_id + 5, 7, "no_coupon"),
        (shop.coupon_id + 9, 7, "no_coupon"),
    ]
    assert named(ops, shop.coupon_id + 9) == [(shop.coupon_id + 9, 7, "no_coupon")]
    assert named(ops, shop.coupon_id) == []
    assert len(find_requests_without_coupon(ops, most=1)) == 1


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("issued_coupon (coupon_id, user_id, requested_at) VALUES (%s, 9, now())", "ISSUED"),
        ("issue_rejection VALUES (%s, 9, now(), 'sold_out')", "REJECTED"),
    ],
)
def test_an_outcome_without_its_request_is_named(
    shop: Shop, ops: Connection, owner: Connection, row: str, says: str
) -> None:
    shop.accept(1)
    shop.issue(1)
    owner.execute(f"INSERT INTO {row}".encode(), [shop.coupon_id])
    [stray] = find_unmatched(ops)
    assert (stray.coupon_id, stray.user_id, stray.why) == (shop.coupon_id, 9, "no_request")
    assert says in stray.sentence
