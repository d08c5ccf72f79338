"""The requests of one user over all coupons."""

from contextlib import closing
from typing import NamedTuple

from coupons.endpoints import DATABASE_URL, Endpoints
from coupons.ledger.connection import connect_ledger
from coupons.ledger.coupons import list_coupon_ids
from coupons.ledger.requests import find_requests
from coupons.model import IssueRequest

MOST_COUPONS = 10_000
"""Each costs a read of an index; of more coupons, those with the highest ids are searched."""
MOST_REQUESTS = 50


class UserRequests(NamedTuple):
    """newest: at most MOST_REQUESTS, the last one first. total: how many there are.

    searched: how many coupons were searched. complete: whether these are all.
    """

    user_id: int
    newest: list[IssueRequest]
    total: int
    searched: int
    complete: bool


def requests_of_user(where: Endpoints, user_id: int) -> UserRequests:
    """Raises LedgerUnavailable, and SettingError where there is no stack."""
    with closing(connect_ledger(where[DATABASE_URL], "coupon-trace")) as connection:
        coupon_ids = list_coupon_ids(connection)
        searched = coupon_ids[-MOST_COUPONS:]
        found = find_requests(connection, [(coupon_id, user_id) for coupon_id in searched])
    found.sort(key=lambda each: each.requested_at_us, reverse=True)
    complete = len(searched) == len(coupon_ids)
    return UserRequests(user_id, found[:MOST_REQUESTS], len(found), len(searched), complete)
