"""The format of keys and values in Redis, as the headers of the Lua scripts describe it."""

from collections.abc import Iterable

from coupons.errors import KeysUnreadable
from coupons.model import (
    Coupon,
    GateState,
    IssueRequest,
    Refusal,
    Status,
    to_microseconds,
)

SETTLED_CHANNEL = "coupon:settled"

PEOPLE_PER_SHARD = 100
"""Below hash-max-listpack-entries (512), so that a shard stays a compact and fast list."""

MOST_SHARDS = 20_000
"""From two million users on a shard holds more than PEOPLE_PER_SHARD, from ten million on it is no
compact list any more. A scan of a coupon reads every shard, used or not: without a bound it would
take minutes for a coupon with a huge total."""

_LETTERS = {Status.REQUESTED: "P", Status.ISSUED: "I", Status.REJECTED: "R"}
_STATUSES = {letter: status for status, letter in _LETTERS.items()}
_REFUSALS = {str(refusal): refusal for refusal in Refusal}
_UNAVAILABLE = {str(state): state for state in (GateState.MISSING, GateState.STALE)}


def coupon_key(coupon_id: int) -> str:
    """Key of the coupon's hash; the braces put all its keys into one slot of Redis Cluster."""
    return f"coupon:{{{coupon_id}}}"


def coupon_of_key(key: str) -> int:
    """The coupon id of a coupon's hash key."""
    return int(key[key.index("{") + 1 : key.index("}")])


def shard_count(total_quantity: int) -> int:
    """How many hashes hold the settled users: at most `total_quantity` are ever issued."""
    return min(total_quantity // PEOPLE_PER_SHARD + 1, MOST_SHARDS)


def definition_fields(coupon: Coupon) -> list[str | int]:
    """Field, value ... of a coupon's definition, for its hash."""
    ends_at = "" if coupon.issue_ends_at is None else to_microseconds(coupon.issue_ends_at)
    return [
        *("version", coupon.version),
        *("total", coupon.total_quantity),
        *("starts_at_us", to_microseconds(coupon.issue_starts_at)),
        *("ends_at_us", ends_at),
        *("state", coupon.state_at_gate),
        *("eligible_group", coupon.eligible_group or ""),
        *("room", str(coupon.room or "")),
    ]


def write_request(request: IssueRequest) -> str:
    """The value of a request: a letter, microseconds, and the reason of a rejection."""
    value = f"{_LETTERS[request.status]}{request.requested_at_us}"
    return f"{value}:{request.reason}" if request.status is Status.REJECTED else value


def write_requests(requests: Iterable[IssueRequest]) -> str:
    """User, value, user, value ... as one text, the argument of settle.lua and load.lua."""
    return " ".join(f"{request.user_id} {write_request(request)}" for request in requests)


def read_request(coupon_id: int, user_id: int, value: str) -> IssueRequest:
    """The request that `write_request` wrote."""
    moment, _, reason = value[1:].partition(":")
    return IssueRequest(coupon_id, user_id, int(moment), _STATUSES[value[0]], reason or None)


def read_refusal(value: str) -> Refusal | None:
    """The refusal, if the answer is one."""
    return _REFUSALS.get(value)


def read_unavailable(value: str | KeysUnreadable) -> GateState | None:
    """The gate's state, if the answer says that it is unavailable for the coupon."""
    return GateState.UNREADABLE if isinstance(value, KeysUnreadable) else _UNAVAILABLE.get(value)


def parse_settled(message: str) -> list[IssueRequest]:
    """The requests that a message on SETTLED_CHANNEL says are final now."""
    key, *pairs = message.split(" ")
    coupon_id = coupon_of_key(key)
    return [
        read_request(coupon_id, int(user), value)
        for user, value in zip(pairs[::2], pairs[1::2], strict=True)
    ]
