"""The rate of each component alone, to compare with the rate of the complete system."""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import psycopg
import requests

from benchmarks.harness.progress import progress
from benchmarks.harness.usage import PARTS, per_item, read_parts
from benchmarks.load.bulk import await_stream, unpublished
from benchmarks.load.callers import EPOCH, GATE, LEDGER, Called, call_side_by_side
from benchmarks.load.coupons import create_coupon, gate_only_coupon
from benchmarks.load.rounds import WARM_UP_SECONDS, closed_round, odd_users
from benchmarks.measurements.backlog import measure_backlog
from benchmarks.measurements.empty_http import HANDLERS, measure_empty_server
from coupons.gate import connect_gate, open_coupon
from coupons.gate.values import coupon_key
from stack.disposable import DisposableStack

CALLERS = 2
"""As many as the API has workers, each with one batch in flight."""
LARGEST_BATCH = 500
FIRST_USER = 3 * 10**12
FIRST_GATE_COUPON = 10**15
GATE_COUPONS = 400
GATE_USERS = 1_000_000_000
REST = "generator and others"
_BATCHES = re.compile(r"^coupon_api_batch_claims_(sum|count)(?:{.*})? (\S+)$", re.MULTILINE)


@dataclass(frozen=True)
class Component:
    """microseconds: of one core for an item, by part of the stack."""

    name: str
    per_s: float
    microseconds: Mapping[str, float] = field(default_factory=dict)

    @property
    def cost_us(self) -> float:
        """The sum over all parts."""
        return sum(self.microseconds.values())


@dataclass(frozen=True)
class Ceilings:
    """budget_us: microseconds of one core that the machine has for a claim at full load."""

    full_load: Component
    batch_at_full_load: float
    budget_us: float
    alone: Sequence[Component]


def measure_ceilings(stack: DisposableStack, seconds: float, events: int) -> Ceilings:
    """Full load, then each component by itself. The stack is of no further use afterwards.

    seconds: of each closed loop. events: in the backlog of connector and consumer.
    """
    full_load, batch = _full_load(stack, seconds)
    batches = sorted({max(1, round(batch)), LARGEST_BATCH})
    alone = [_http(stack, kind, name, seconds) for kind, name in HANDLERS.items()]
    alone += [_gate(stack, size, seconds / 2) for size in batches]
    alone += _inserts(stack, batches, seconds / 2)
    alone += _backlog(stack, events)
    cores = os.cpu_count() or 1
    return Ceilings(full_load, batch, cores * 1e6 / full_load.per_s, alone)


def _full_load(stack: DisposableStack, seconds: float) -> tuple[Component, float]:
    """The rate and cost of accepted claims, and the mean size of a batch."""
    progress("ceilings: full load")
    readings: list[tuple[dict[str, float], float, float]] = []
    coupon_id = create_coupon(stack)
    users = odd_users(1)
    with psycopg.connect(stack.database_url("ops"), autocommit=True) as connection:
        closed_round(stack, connection, [coupon_id], users, max(WARM_UP_SECONDS, seconds * 2))

        def read() -> None:
            readings.append((read_parts(stack), *_batches(stack)))

        accepted, took = closed_round(stack, connection, [coupon_id], users, seconds, read)
    (before, claims, batches), (after, claims_after, batches_after) = readings
    spent = per_item(before, after, accepted)
    budget_us = (os.cpu_count() or 1) * 1e6 * took / accepted
    spent[REST] = max(0.0, budget_us - sum(spent.values()))
    batch = (claims_after - claims) / max(1.0, batches_after - batches)
    return Component("full load, complete system", accepted / took, spent), batch


def _batches(stack: DisposableStack) -> tuple[float, float]:
    """Claims written so far, and the number of batches."""
    text = requests.get(f"{stack.environment['COUPON_API_MANAGEMENT_URL']}/metrics", timeout=5).text
    found = dict(_BATCHES.findall(text))
    return float(found["sum"]), float(found["count"])


def _http(stack: DisposableStack, kind: str, name: str, seconds: float) -> Component:
    progress(f"ceilings: {name}")
    per_s, cost_us = measure_empty_server(stack, kind, WARM_UP_SECONDS, seconds)
    return Component(name, per_s, {"api": cost_us})


def _gate(stack: DisposableStack, batch: int, seconds: float) -> Component:
    progress(f"ceilings: the gate, batches of {batch}")
    url = stack.environment["COUPON_REDIS_URL"]
    gate = connect_gate(url)
    coupon_ids = range(FIRST_GATE_COUPON, FIRST_GATE_COUPON + GATE_COUPONS)
    for coupon_id in coupon_ids:
        open_coupon(gate, gate_only_coupon(coupon_id, GATE_USERS))
    try:
        return _called(stack, "gate", GATE, url, list(coupon_ids), batch, seconds)
    finally:
        for coupon_id in coupon_ids:
            key = coupon_key(coupon_id)
            gate.client.delete(key, f"{key}:{EPOCH}:pending")


def _inserts(stack: DisposableStack, batches: Sequence[int], seconds: float) -> list[Component]:
    """INSERTs while Connect is down; the change stream does not carry these rows."""
    progress("ceilings: batched INSERTs")
    stack.stop("connect")
    url = stack.database_url("api")
    coupon_ids = [create_coupon(stack) for _ in batches]
    with unpublished(stack):
        found = [
            _called(stack, "INSERTs", LEDGER, url, [coupon_id], batch, seconds)
            for coupon_id, batch in zip(coupon_ids, batches, strict=True)
        ]
    stack.up()
    await_stream(stack)
    return found


def _called(
    stack: DisposableStack,
    name: str,
    component: str,
    url: str,
    coupon_ids: Sequence[int],
    batch: int,
    seconds: float,
) -> Component:
    server = {GATE: "valkey", LEDGER: "postgres"}[component]
    before = read_parts(stack, [server])
    found: list[Called] = call_side_by_side(
        component, url, coupon_ids, batch, CALLERS, FIRST_USER, seconds
    )
    items = sum(each.items for each in found)
    spent = per_item(before, read_parts(stack, [server]), items)
    spent["caller"] = sum(each.processor_s for each in found) * 1e6 / items
    rate = sum(each.items / each.seconds for each in found)
    return Component(f"{name}, {CALLERS} callers, batches of {batch}", rate, spent)


def _backlog(stack: DisposableStack, events: int) -> list[Component]:
    progress(f"ceilings: connector and consumer alone on {events:,} rows")
    found = measure_backlog(stack, events)
    streaming = {part: found.streamed_us[part] for part in ("postgres", "connect", "kafka")}
    consuming = {part: found.consumed_us[part] for part in PARTS if part not in ("api", "connect")}
    return [
        Component("Debezium into Kafka, no consumer", found.streamed_per_s, streaming),
        Component("consumer, on a backlog", found.events_per_s, consuming),
    ]
