"""What a failure of Redis means: it does not answer, or it answers and refuses.

Only this file knows.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum

from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    BusyLoadingError,
    MasterDownError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)

from coupons.errors import RedisUnavailable


class GateRefusal(StrEnum):
    """Why a Redis that answers cannot serve the gate, as a sentence."""

    OUT_OF_MEMORY = "Redis refuses writes: it uses more memory than its maxmemory"
    TOO_FEW_REPLICAS = (
        "Redis refuses writes: fewer replicas are connected than its min-replicas-to-write"
    )
    READ_ONLY = "Redis refuses writes: the server at this address is a replica, not the master"
    CANNOT_SAVE = "Redis refuses writes: it cannot save its data; often its disk is full"
    MAY_EVICT = "Redis may evict the gate's keys: its maxmemory-policy has to be noeviction"
    STARTING = "Redis does not serve yet: it is loading its data"
    NOT_ALLOWED = "Redis does not allow it to the user of the URL"


class GateRefused(RedisUnavailable):
    """Redis answers, and refuses what the gate needs. The text says why."""

    def __init__(self, refusal: GateRefusal, detail: str) -> None:
        super().__init__(f"{refusal} ({detail})")
        self.refusal = refusal


_BY_CLASS: dict[type[Exception], GateRefusal] = {
    OutOfMemoryError: GateRefusal.OUT_OF_MEMORY,
    ReadOnlyError: GateRefusal.READ_ONLY,
    BusyLoadingError: GateRefusal.STARTING,
    MasterDownError: GateRefusal.READ_ONLY,
    NoPermissionError: GateRefusal.NOT_ALLOWED,
    AuthenticationError: GateRefusal.NOT_ALLOWED,
    AuthorizationError: GateRefusal.NOT_ALLOWED,
}
# The client has no class for these. The server's first word is its code; a pipeline puts its own
# words before it.
_BY_CODE = {
    "OOM": GateRefusal.OUT_OF_MEMORY,
    "NOREPLICAS": GateRefusal.TOO_FEW_REPLICAS,
    "MISCONF": GateRefusal.CANNOT_SAVE,
    "READONLY": GateRefusal.READ_ONLY,
}
_CODE = re.compile(rf"(?:^|: )({'|'.join(_BY_CODE)}) ")


REDIS_ERRORS = (RedisError, OSError)
"""What the Redis client raises: its own errors, and those of its socket."""


@contextmanager
def translated() -> Iterator[None]:
    """Turn the Redis client's errors into RedisUnavailable.

    The path of a claim (scripts.py) does without, because a context manager costs it time.
    """
    try:
        yield
    except REDIS_ERRORS as error:
        raise unavailable(error) from error


def unavailable(error: Exception) -> RedisUnavailable:
    """The project's own error for one of REDIS_ERRORS."""
    refusal = _refusal(error)
    if refusal is not None:
        # A pipeline puts its own words before the server's.
        return GateRefused(refusal, str(error).rpartition("caused error: ")[2])
    if isinstance(error, ResponseError):
        return RedisUnavailable(f"Redis answers with an error: {error}")
    return RedisUnavailable(f"Redis does not answer: {error}")


def _refusal(error: Exception) -> GateRefusal | None:
    for kind, refusal in _BY_CLASS.items():
        if isinstance(error, kind):
            return refusal
    code = _CODE.search(str(error))
    return _BY_CODE[code[1]] if code else None
