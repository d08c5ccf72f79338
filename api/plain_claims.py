"""Claims that Flask is not needed for.

Routing and request objects of Flask take half of the processor time of a claim in this process,
and all that is read from them are three texts: method, path and Authorization. So the application
recognises a plain claim by itself. Every other request, an unusual claim too, goes to Flask; both
ways end in the same function of the route.
"""

import re
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from api.app import CouponIdConverter
from api.environ import LARGEST_HEADERS_BYTES, MOST_HEADERS

if TYPE_CHECKING:
    from granian.rsgi import Scope

_LONGEST_PATH = len("/coupons//issue-requests") + 20
_PATH = re.compile(f"/coupons/({CouponIdConverter.regex})/issue-requests")


class PlainClaim(NamedTuple):
    """authorization: the value of that header; empty: it was not sent."""

    coupon_id: int
    authorization: str


def plain_claim_of(scope: "Scope") -> PlainClaim | None:
    """The claim that this request is; None: Flask has to handle it.

    Flask gets what has a query string, a path that is no claim's, several Authorization headers,
    or headers beyond the limits of `api/environ.py`.
    """
    if scope.method != "POST" or scope.query_string:
        return None
    path = scope.path
    coupon_id = _coupon_id(path) if len(path) <= _LONGEST_PATH else None
    if coupon_id is None:
        return None
    headers = scope.headers.items()
    authorization, size = None, 0
    for name, value in headers:
        size += len(name) + len(value)
        if name == "authorization":
            if authorization is not None:
                return None
            authorization = value
    if size > LARGEST_HEADERS_BYTES or len(headers) > MOST_HEADERS:
        return None
    return PlainClaim(coupon_id, authorization or "")


@lru_cache(maxsize=1024)
def _coupon_id(path: str) -> int | None:
    found = _PATH.fullmatch(path)
    return None if found is None else int(found[1])
