"""Memory of the gate for a million settled users of one coupon, in bytes a user."""

import random
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from benchmarks.load.coupons import gate_only_coupon
from coupons.gate import Gate, connect_gate, open_coupon
from coupons.model import IssueRequest, Status, to_microseconds
from stack.folder import StateFolder
from stack.lifecycle import bring_up, take_down
from stack.ports import HOST, free_ports
from stack.servers.valkey import valkey_part

BATCH = 500
LIMIT_BYTES = 48.0


class Memory(NamedTuple):
    """For one kind of user ids, bytes a settled user: as Redis counts them, and resident."""

    ids: str
    users: int
    used: float
    resident: float


def measure_gate_memory(users: int) -> list[Memory]:
    """Settle `users` users of one coupon, once with small ids and once with 63-bit ids."""
    small = random.Random(1).sample(range(1, users + 1), users)
    any_id = random.Random(2)
    large = (any_id.randrange(2**62, 2**63) for _ in range(users))
    return [
        _measure(f"1 to {users:,}", users, small),
        _measure("63-bit, random", users, large),
    ]


def _measure(ids: str, users: int, user_ids: Iterable[int]) -> Memory:
    with _fresh_gate() as gate:
        before = gate.client.info("memory")
        now = datetime.now(UTC)
        open_coupon(gate, gate_only_coupon(1, users))
        requests = (
            IssueRequest(1, user_id, to_microseconds(now) + n, Status.ISSUED)
            for n, user_id in enumerate(user_ids)
        )
        while batch := list(islice(requests, BATCH)):
            gate.settle(batch)
        after = gate.client.info("memory")
    used, resident = (
        (after[name] - before[name]) / users for name in ("used_memory", "used_memory_rss")
    )
    return Memory(ids, users, used, resident)


@contextmanager
def _fresh_gate() -> Iterator[Gate]:
    with TemporaryDirectory(prefix="coupon-bench-") as path:
        folder = StateFolder(Path(path) / "state")
        folder.create()
        port = free_ports(["valkey"])["valkey"]
        bring_up(folder, [valkey_part(folder, port)], [], lambda *_: None)
        try:
            yield connect_gate(f"redis://{HOST}:{port}/0")
        finally:
            take_down(folder, ["valkey"], lambda *_: None)
