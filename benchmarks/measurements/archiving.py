"""An archived coupon with many users: how soon Redis' memory is free, and who notices."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import psycopg

from benchmarks.load.beside import Claim as Claiming
from benchmarks.load.beside import Times, claim_beside
from coupons.gate import connect_gate
from coupons.gate.rebuild import rebuild
from coupons.ledger.admin_states import archive_coupon
from coupons.ledger.connection import connect_ledger
from coupons.model import Claim
from reconciler.routine_pass import run_pass
from stack.disposable import DisposableStack, disposable_stack

_PAUSE_SECONDS = 0.001
_QUIET_SECONDS = 5.0
_OTHER_ID = 1_000_000
_OTHER_USERS = 1_000
"""They claim again and again, so that the other coupon takes no more memory."""
_FILL = (
    "INSERT INTO coupon (coupon_id, name, total_quantity, state, issued_count)"
    " VALUES ({coupon}, 'of the benchmark', {users}, 'closed', {users})",
    "INSERT INTO coupon_issue_request (coupon_id, user_id, requested_at)"
    " SELECT {coupon}, n, clock_timestamp() FROM generate_series(1, {users}) AS n",
    "INSERT INTO issued_coupon (user_id, coupon_id, requested_at)"
    " SELECT user_id, {coupon}, requested_at FROM coupon_issue_request WHERE coupon_id = {coupon}",
)
_OTHER = (
    "INSERT INTO coupon (coupon_id, name, total_quantity)"
    " VALUES ({coupon}, 'of somebody else', 1000000000)"
)


class Archiving(NamedTuple):
    """archive_s: of the statement that archives. forget_s: of the reconciler's pass after it.

    loaded_mib, left_mib: what the coupon used of Redis' memory before and after. quiet, meanwhile:
    claims of another coupon before, and from archiving to the end of the pass.
    """

    users: int
    archive_s: float
    forget_s: float
    loaded_mib: float
    left_mib: float
    quiet: Times
    meanwhile: Times


def measure_archiving(users: int, rounds: int) -> list[Archiving]:
    """In each round another coupon with so many users, all issued."""
    with disposable_stack("--servers-only") as stack:
        stack.stop("connect", "registry", "kafka")
        with psycopg.connect(stack.database_url("owner"), autocommit=True) as owner:
            owner.execute(_OTHER.format(coupon=_OTHER_ID).encode())
        gate = connect_gate(stack.environment["COUPON_REDIS_URL"])
        with connect_ledger(stack.database_url("reconciler"), "coupon-bench", 120.0) as reconciler:
            rebuild(gate, reconciler, _OTHER_ID)
        gate.admit([Claim(_OTHER_ID, user) for user in range(1, _OTHER_USERS + 1)])
        return [_round(stack, users, each + 1) for each in range(rounds)]


def _round(stack: DisposableStack, users: int, coupon_id: int) -> Archiving:
    redis_url = stack.environment["COUPON_REDIS_URL"]
    gate = connect_gate(redis_url)
    with psycopg.connect(stack.database_url("owner"), autocommit=True) as owner:
        for statement in _FILL:
            owner.execute(statement.format(coupon=coupon_id, users=users).encode())
        owner.execute("ANALYZE")

    def used_mib() -> float:
        return int(gate.client.info("memory")["used_memory"]) / 2**20

    with (
        connect_ledger(stack.database_url("reconciler"), "coupon-bench", 120.0) as reconciler,
        connect_ledger(stack.database_url("api"), "coupon-bench", 120.0) as api,
    ):
        empty = used_mib()
        rebuild(gate, reconciler, coupon_id)
        loaded = used_mib()
        quiet = _beside(redis_url, lambda: time.sleep(_QUIET_SECONDS))
        times = [0.0, 0.0, 0.0]

        def archive() -> None:
            times[0] = time.monotonic()
            archive_coupon(api, coupon_id)
            times[1] = time.monotonic()
            list(run_pass(gate, reconciler, pending_after_s=3_600.0))
            times[2] = time.monotonic()

        meanwhile = _beside(redis_url, archive)
        left = used_mib()
    archived, forgotten = times[1] - times[0], times[2] - times[1]
    return Archiving(users, archived, forgotten, loaded - empty, left - empty, quiet, meanwhile)


def _beside(redis_url: str, work: Callable[[], None]) -> Times:
    return claim_beside(_admitting, redis_url, _PAUSE_SECONDS, work)


@contextmanager
def _admitting(redis_url: str) -> Iterator[Claiming]:
    gate = connect_gate(redis_url)
    yield lambda number: gate.admit([Claim(_OTHER_ID, number % _OTHER_USERS + 1)])
