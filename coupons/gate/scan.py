"""Reads all requests that the gate has for a coupon, in bounded memory."""

from collections.abc import Iterator
from typing import cast

from coupons.errors import KeysUnreadable
from coupons.gate.figures import GateFigures
from coupons.gate.gate import Gate
from coupons.gate.refusals import REDIS_ERRORS, translated, unavailable
from coupons.gate.scripts import is_of_the_key
from coupons.gate.values import coupon_key, read_request
from coupons.model import IssueRequest, Status

PENDING_PER_READ = 2_000
SHARDS_PER_READ = 20
"""About a hundred users each."""
_KEYS_MEASURED = 200


def scan_requests(gate: Gate, coupon_id: int, figures: GateFigures) -> Iterator[list[IssueRequest]]:
    """All requests in the epoch of these figures, in groups of a few thousand, in no order.

    A request that does not change during the scan is found; one that is settled meanwhile may be
    found twice or not at all. Raises RedisUnavailable.
    """
    prefix = f"{coupon_key(coupon_id)}:{figures.epoch}"
    try:
        cursor = -1
        while cursor != 0:
            cursor, found = gate.client.zscan(
                f"{prefix}:pending", max(cursor, 0), count=PENDING_PER_READ
            )
            yield [
                IssueRequest(coupon_id, int(user), int(score) // 2, Status.REQUESTED)
                for user, score in cast(list[tuple[str, float]], found)
            ]
        for first in range(0, figures.shards, SHARDS_PER_READ):
            pipeline = gate.client.pipeline(transaction=False)
            for shard in range(first, min(first + SHARDS_PER_READ, figures.shards)):
                pipeline.hgetall(f"{prefix}:settled:{shard}")
            yield [
                read_request(coupon_id, int(user), value)
                for users in pipeline.execute()
                for user, value in users.items()
            ]
    except REDIS_ERRORS as error:
        if is_of_the_key(error):
            raise KeysUnreadable(f"Redis refused to scan {prefix}: {error}") from error
        raise unavailable(error) from error


def memory_bytes(gate: Gate, coupon_id: int, figures: GateFigures) -> int:
    """The memory of the coupon at the server, in bytes; with many shards, an estimate.

    Raises RedisUnavailable.
    """
    key = coupon_key(coupon_id)
    step = -(-figures.shards // _KEYS_MEASURED)
    shards = range(0, figures.shards, step)
    with translated():
        pipeline = gate.client.pipeline(transaction=False)
        for name in (key, f"{key}:{figures.epoch}:pending"):
            pipeline.memory_usage(name)
        for shard in shards:
            pipeline.memory_usage(f"{key}:{figures.epoch}:settled:{shard}")
        coupon, pending, *some = [size or 0 for size in pipeline.execute()]
    return coupon + pending + sum(some) * figures.shards // len(shards)
