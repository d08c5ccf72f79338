"""A past that benchmarks write in bulk is in ledger and gate, and in no change stream."""

import psycopg

from benchmarks.load.bulk import write_past
from benchmarks.load.claims import claim_requests, generate
from benchmarks.load.issued import await_issued, issued_count
from benchmarks.load.rounds import odd_users
from benchmarks.measurements.backlog import end_of_topic
from coupons.gate import connect_gate
from coupons.ledger.connection import connect_ledger
from coupons.ledger.requests import count_requests
from stack.disposable import DisposableStack

USERS = 2_000
ROOM = 1_000
"""The gate has a key for a hundred places, and other tests compare every coupon of this stack."""
CLAIMS = 20
WITHIN_S = 90.0


def test_a_past_in_bulk_is_whole_and_is_never_streamed(stack: DisposableStack) -> None:
    before = end_of_topic(stack)
    past = write_past(stack, USERS, room=ROOM)
    figures = connect_gate(stack.environment["COUPON_REDIS_URL"]).figures([past.coupon_id])[0]
    assert figures is not None
    assert (figures.issued, figures.pending) == (USERS, 0)

    users = odd_users(7)
    requests = [claim_requests(stack, past.coupon_id, [next(users)])[0] for _ in range(CLAIMS)]
    assert generate(stack, requests, 5, WITHIN_S).statuses == {"202": CLAIMS}
    with psycopg.connect(stack.database_url("ops"), autocommit=True) as ops:
        await_issued(ops, [past.coupon_id], USERS + CLAIMS, WITHIN_S)
        assert issued_count(ops, past.coupon_id) == USERS + CLAIMS
    assert end_of_topic(stack) == before + CLAIMS

    with connect_ledger(stack.database_url("ops"), "test") as connection:
        counts = count_requests(connection, past.coupon_id)
    assert counts is not None
    assert counts.balance
    assert counts.in_flight == 0
