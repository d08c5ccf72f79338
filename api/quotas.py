"""How many claims are allowed in which time, as a setting says it."""

import re
from typing import NamedTuple

MOST_CLAIMS = 1_000_000
LONGEST_SECONDS = 86_400
"""A user or an address is kept in Redis for twice as long."""

_NO_TIME = re.compile("[^0-9]0+[^0-9]")
"""`5/0 minutes`, which the library takes for `5/minute`."""


class Quota(NamedTuple):
    """So many claims in any time of so many seconds."""

    claims: int
    seconds: int


def parse_quota(text: str) -> Quota:
    """The quota of a text such as `20/minute` or `5 per 10 seconds`. Raises ValueError."""
    # Half a second, which nobody pays while there are no limits.
    from limits import parse_many

    try:
        found = [Quota(each.amount, each.get_expiry()) for each in parse_many(text)]
    except ValueError:
        found = []
    for quota in found[:1]:
        fits = 1 <= quota.claims <= MOST_CLAIMS and quota.seconds <= LONGEST_SECONDS
        if fits and len(found) == 1 and not _NO_TIME.search(text):
            return quota
    raise ValueError(
        f"it is no limit: write one, such as 20/minute or 5 per 10 seconds, of 1 to {MOST_CLAIMS:,}"
        " claims in a second to a day"
    )
