"""The id of one HTTP request (X-Request-Id): by it a client, a proxy and the log mean the same."""

import re
from functools import cache
from itertools import count
from random import getrandbits

X_REQUEST_ID = "coupon.x_request_id"
"""Its key in the environment of a request."""

_ACCEPTABLE = re.compile(r"[A-Za-z0-9._:=+/-]{1,128}")


def request_id_for(given: str | None) -> str:
    """The id that the client gave, if it is one that may go into a log; else a new one."""
    if given is not None and _ACCEPTABLE.fullmatch(given):
        return given
    # No secret: a random number for each request would take several times as long.
    return f"{_of_process()}{next(_numbers):016x}"


_numbers = count(1)


@cache
def _of_process() -> str:
    """Drawn at the first request, which is in a worker: workers may be forked."""
    return f"{getrandbits(64):016x}"
