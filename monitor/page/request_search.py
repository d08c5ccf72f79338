"""Finds what an operator searches: one request, the requests of a user, or a coupon."""

import re
from collections.abc import Iterable
from typing import NamedTuple

from coupons.endpoints import DATABASE_URL, Endpoints
from coupons.errors import CouponError
from coupons.ids import MAX_COUPON_ID, MAX_USER_ID, parse_request_id
from coupons.ledger.connection import connect_ledger
from coupons.ledger.coupons import find_coupon
from coupons.ledger.requests import find_requests
from coupons.model import Coupon, IssueRequest

ANSWER_TIMEOUT_SECONDS = 3.0


class NotSearchable(CouponError):
    """What was typed names no request, user or coupon. The text says what is expected."""


class Search(NamedTuple):
    """What is searched. With both a coupon and a user it is one request."""

    coupon_id: int | None
    user_id: int | None

    @property
    def key(self) -> tuple[int, int] | None:
        """Coupon and user of the one request."""
        both = self.coupon_id, self.user_id
        return None if None in both else both  # type: ignore[return-value]


def parse_search(request: str, coupon: str, user: str) -> Search | None:
    """What was typed into the three fields; None: nothing. Raises NotSearchable."""
    request, coupon, user = request.strip(), coupon.strip(), user.strip()
    if request:
        if coupon or user:
            raise NotSearchable("Give the id of a request, or coupon and user: not both.")
        try:
            return Search(*parse_request_id(request))
        except ValueError:
            raise NotSearchable(
                f"{_shown(request)} is not the id of a request: that is a UUID such as"
                " 00000000-0000-800e-8000-000000001267."
            ) from None
    if not coupon and not user:
        return None
    return Search(parse_id(coupon, "coupon", MAX_COUPON_ID), parse_id(user, "user", MAX_USER_ID))


def parse_id(text: str, what: str, most: int) -> int | None:
    """The id that was typed; None: nothing was. Raises NotSearchable."""
    if not text:
        return None
    if not re.fullmatch("[1-9][0-9]{0,18}", text) or int(text) > most:
        raise NotSearchable(
            f"{_shown(text)} is not the id of a {what}: that is a whole number from 1 to {most:,},"
            " in plain digits."
        )
    return int(text)


def _shown(text: str) -> str:
    shown = "".join(each if each.isprintable() else "?" for each in text[:60])
    return f"“{shown}{'…' if len(text) > 60 else ''}”"


def requests_of_user(
    where: Endpoints, user_id: int, coupon_ids: Iterable[int]
) -> list[IssueRequest]:
    """The requests of a user for these coupons, the last one first. Raises LedgerUnavailable."""
    url = where[DATABASE_URL]
    with connect_ledger(url, "coupon-monitor-page", ANSWER_TIMEOUT_SECONDS) as connection:
        found = find_requests(connection, [(coupon_id, user_id) for coupon_id in coupon_ids])
    return sorted(found, key=lambda each: each.requested_at_us, reverse=True)


def coupon_of(where: Endpoints, coupon_id: int) -> Coupon | None:
    """None: there is none. Raises LedgerUnavailable or CouponUnreadable."""
    url = where[DATABASE_URL]
    with connect_ledger(url, "coupon-monitor-page", ANSWER_TIMEOUT_SECONDS) as connection:
        return find_coupon(connection, coupon_id)
