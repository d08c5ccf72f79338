"""The designs that ours is compared with are no straw men: without a fault they lose nothing."""

import psycopg

from benchmarks.load.claims import claim_requests, generate, new_users
from benchmarks.load.coupons import create_coupon
from benchmarks.load.issued import issued_count
from benchmarks.strategies.running import running_designs
from coupons.waiting import eventually
from stack.disposable import DisposableStack

CLAIMS = 300


def test_each_design_issues_what_it_accepts(stack: DisposableStack) -> None:
    """Not on a stack that is compared: what the others issue has no request."""
    with (
        running_designs(stack) as targets,
        psycopg.connect(stack.database_url("ops"), autocommit=True) as ops,
    ):
        assert list(targets) == ["redis_queue", "redis_kafka", "outbox", "cdc"]
        for name, target in targets.items():
            coupon_id = create_coupon(target)
            load = claim_requests(target, coupon_id, new_users(CLAIMS))
            result = generate(target, load, connections=20, seconds=60.0)
            assert result.statuses == {"202": CLAIMS}, name
            eventually(lambda: issued_count(ops, coupon_id) == CLAIMS, 60, f"{name} issues all")  # noqa: B023
