"""The id of one HTTP request (X-Request-Id), the same for the client, a proxy and the log."""

import re
from functools import cache
from itertools import count
from random import getrandbits

X_REQUEST_ID = "coupon.x_request_id"
"""The key of the id in the environment of a request."""

_ACCEPTABLE = re.compile(r"[A-Za-z0-9._:=+/-]{1,128}")


def request_id_for(given: str | None) -> str:
    """The id that the client sent, if it is safe in a log; else a new one."""
    if given is not None and _ACCEPTABLE.fullmatch(given):
        return given
    # It is no secret. A random number for each request would take several times as long.
    return f"{_of_process()}{next(_numbers):016x}"


_numbers = count(1)


@cache
def _of_process() -> str:
    """Random, drawn at the first request: that is in a worker, and workers may be forked."""
    return f"{getrandbits(64):016x}"
