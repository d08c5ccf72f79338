"""One rush from its coupon to its result: everybody at once, then a few claims one by one."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import NamedTuple

from coupons.endpoints import Endpoints
from coupons.errors import ConfigurationError
from coupons.gate import Gate, connect_gate
from coupons.gate.delays import watched_delays
from coupons.ledger.connection import connect_ledger
from coupons.process.open_files import raise_open_files_limit
from coupons.waiting import attempts
from operations.rush.claimants import Api, Caller, create_coupon, rush, trickle
from operations.rush.tally import Tally
from operations.verify.report import ConsistencyReport, await_consistency

SETTLING_SECONDS = 30.0
CALM_USERS = 200
CALM_PER_SECOND = 100
OTHER_FILES = 100
"""Descriptors that a rush needs besides one connection for each user."""

_PAUSE_SECONDS = 0.02


class RushSize(NamedTuple):
    """total_quantity: of the coupon. twice: so many of the users claim twice."""

    total_quantity: int
    users: int
    twice: int


class RushResult(NamedTuple):
    """delays_ms, calm_delays_ms: from request to mark, in the rush and one by one afterwards."""

    coupon_id: int
    tally: Tally
    delays_ms: list[float]
    calm_delays_ms: list[float]
    report: ConsistencyReport


def run_rush(
    where: Endpoints,
    api: Api,
    size: RushSize,
    watching: Callable[[int, Tally], AbstractContextManager[None]],
) -> RushResult:
    """Create a coupon, let all users claim it at once, and compare gate and ledger afterwards.

    watching: entered with the coupon's id and the tally while the claims run. Raises
    ConfigurationError when this process may not open enough files, ApiUnavailable, RushError,
    RedisUnavailable or LedgerUnavailable.
    """
    _check_open_files(size.users)
    gate = connect_gate(where["COUPON_REDIS_URL"])
    administrator = Caller(api, 1, "coupon:admin")
    coupon_id = create_coupon(administrator, "Rush", size.total_quantity)
    tally = Tally()
    with watched_delays(gate) as delays_ms, watching(coupon_id, tally):
        rush(api, coupon_id, size.users, size.twice, tally)
        administrator.call("POST", f"/coupons/{coupon_id}/close")
        Caller(api, size.users + 1, "coupon:issue").claim(coupon_id, 1, tally)
    with connect_ledger(where["COUPON_DATABASE_URL"], "coupon-rush") as connection:
        report = await_consistency(gate, connection, coupon_id, SETTLING_SECONDS)
    assert report is not None
    calm = _calm(api, gate, create_coupon(administrator, "Calm", CALM_USERS))
    return RushResult(coupon_id, tally, delays_ms, calm, report)


def _check_open_files(users: int) -> None:
    limit = raise_open_files_limit()
    if limit < users + OTHER_FILES:
        raise ConfigurationError(
            f"{users} users need {users} connections, and this process may open {limit} files:"
            f" raise its limit (`ulimit -n {users + OTHER_FILES}`), or take fewer users"
            f" (`--users {max(1, limit - OTHER_FILES)}`)"
        )


def _calm(api: Api, gate: Gate, coupon_id: int) -> list[float]:
    """Delays in milliseconds when claims come one by one, as on an ordinary day."""
    with watched_delays(gate) as delays_ms:
        accepted = trickle(api, coupon_id, CALM_USERS, CALM_PER_SECOND)
        for _ in attempts(SETTLING_SECONDS, _PAUSE_SECONDS):
            if len(delays_ms) >= accepted:
                break
    return delays_ms
