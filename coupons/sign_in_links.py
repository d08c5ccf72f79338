"""Links that sign an operator in to the monitor's page: one code, for a few minutes, once.

Whoever has the key makes them (`coupon up`, `coupon monitor`); the monitor takes them.
"""

import secrets
import time
from typing import NamedTuple

from itsdangerous import BadData, URLSafeSerializer

from coupons.errors import CouponError

LIFE_SECONDS = 300
CLOCKS_DIFFER_SECONDS = 2
"""A used link from the future would work again after a restart of the monitor."""
SHORTEST_KEY = 32
LONGEST_CODE = 1_000
LONGEST_NAME = 100
_SALT = "sign-in link to the monitor"


class NotALink(CouponError):
    """A code is not one of a link that is still valid. The text says why."""


class Link(NamedTuple):
    """Who signs in, whether that person may act, and when it was made (seconds since 1970).

    number: no other link has it.
    """

    who: str
    acts: bool
    made_s: float
    number: str


def make_code(key: str, who: str, acts: bool) -> str:
    """The code of a new link."""
    link = Link(who[:LONGEST_NAME], acts, time.time(), secrets.token_urlsafe(12))
    return str(URLSafeSerializer(key, _SALT).dumps(link))


def read_code(key: str, code: str) -> Link:
    """The link of a code. Raises NotALink. Whether it was used before is for the caller to know."""
    try:
        if len(code) > LONGEST_CODE:
            raise BadData("too long")
        link = Link(*URLSafeSerializer(key, _SALT).loads(code))
    except (BadData, TypeError) as error:
        raise NotALink("this is not a link of this monitor") from error
    age_s = time.time() - link.made_s
    if age_s > LIFE_SECONDS:
        raise NotALink(f"this link is older than {LIFE_SECONDS // 60} minutes")
    if age_s < -CLOCKS_DIFFER_SECONDS:
        raise NotALink("this link is from the future: the clocks of two machines differ")
    return link
