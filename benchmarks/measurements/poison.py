"""How much one poison record among 500 delays the others, from commit to commit."""

import time
from typing import NamedTuple

import psycopg
from psycopg import sql

from benchmarks.load.coupons import create_coupon
from benchmarks.load.issued import issued_count
from stack.disposable import DisposableStack

REQUESTS = 500
POISONED = 250
FINAL_WITHIN_SECONDS = 60.0
FIRST_USER = 2 * 10**12
_CONSTRAINT = "of_a_benchmark"


class Poison(NamedTuple):
    """Milliseconds from the commit of 500 requests to the last one issued, one value a round.

    clean: all can be issued. poisoned: one violates a constraint; the time is of the other 499.
    """

    clean_ms: list[float]
    poisoned_ms: list[float]


def measure_poison(stack: DisposableStack, rounds: int) -> Poison:
    """Clean and poisoned rounds by turns, each on a new coupon.

    Each poisoned round makes a dead letter.
    """
    found = Poison([], [])
    with (
        psycopg.connect(stack.database_url("owner"), autocommit=True) as owner,
        psycopg.connect(stack.database_url("ops"), autocommit=True) as ops,
    ):
        _time_round(stack, owner, ops, poisoned=False)  # a warm-up
        for _ in range(rounds):
            found.clean_ms.append(_time_round(stack, owner, ops, poisoned=False))
            found.poisoned_ms.append(_time_round(stack, owner, ops, poisoned=True))
    return found


def _time_round(
    stack: DisposableStack, owner: psycopg.Connection, ops: psycopg.Connection, poisoned: bool
) -> float:
    coupon_id = create_coupon(stack)
    condition = sql.SQL("coupon_id <> {} OR user_id <> {}").format(
        sql.Literal(coupon_id), sql.Literal(FIRST_USER + POISONED)
    )
    name = sql.Identifier(_CONSTRAINT)
    # The clean rounds have a constraint too, so that both kinds check the same number.
    owner.execute(
        sql.SQL("ALTER TABLE issued_coupon ADD CONSTRAINT {} CHECK ({}) NOT VALID").format(
            name, condition if poisoned else sql.SQL("user_id > 0")
        )
    )
    try:
        owner.execute(
            "INSERT INTO coupon_issue_request (coupon_id, user_id, requested_at)"
            " SELECT %s, %s + n, clock_timestamp() FROM generate_series(1, %s) AS n",
            [coupon_id, FIRST_USER, REQUESTS],
        )
        began = time.monotonic()
        while issued_count(ops, coupon_id) < REQUESTS - poisoned:
            if time.monotonic() - began > FINAL_WITHIN_SECONDS:
                raise TimeoutError(f"coupon {coupon_id} is not issued in time")
            time.sleep(0.001)
        return (time.monotonic() - began) * 1_000
    finally:
        owner.execute(sql.SQL("ALTER TABLE issued_coupon DROP CONSTRAINT {}").format(name))
