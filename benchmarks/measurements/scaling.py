"""The rate at which a backlog is consumed, by partitions of the topic and by consumers."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from benchmarks.harness.progress import progress
from benchmarks.measurements.backlog import measure_backlog
from coupons.change_events import REQUEST_PARTITIONS, REQUEST_TOPIC
from stack.disposable import DisposableStack
from stack.ports import free_ports

_GONE_WITHIN_SECONDS = 30.0


@dataclass(frozen=True)
class Scaled:
    """One backlog of one coupon. cost_us: microseconds of one core for an event, all consumers."""

    partitions: int
    consumers: int
    events_per_s: float
    cost_us: float


def measure_scaling(
    stack: DisposableStack, extent: Sequence[tuple[int, int]], events: int
) -> list[Scaled]:
    """Measure each pair of partitions and consumers; restore both afterwards."""
    found: list[Scaled] = []
    running = 1
    for partitions, consumers in extent:
        progress(f"growth: a backlog, {partitions} partitions, {consumers} consumers")
        # A new group: in the old one, members that have ended keep their partitions for a while.
        group = {"COUPON_CONSUMER_GROUP": f"scaling-{len(found)}"}
        _rearrange(stack, running, partitions, consumers, group)
        running = consumers
        names = _names(consumers)
        backlog = measure_backlog(stack, events, names, group)
        cost_us = sum(backlog.consumed_us[name] for name in names)
        found.append(Scaled(partitions, consumers, backlog.events_per_s, cost_us))
    if found:
        _rearrange(stack, running, REQUEST_PARTITIONS, 1, {})
    return found


def _rearrange(
    stack: DisposableStack,
    running: int,
    partitions: int,
    consumers: int,
    settings: Mapping[str, str],
) -> None:
    """Recreate the topic, and start that many consumers instead of those that run."""
    stack.stop(*_names(running), "connect")
    _remake_topic(stack, partitions)
    others = _names(consumers)[1:]
    ports = free_ports(others)
    single = [word for name in others for word in ("--port", f"{name}={ports[name]}")]
    stack.up(settings, "--consumers", str(consumers), *single)


def _names(consumers: int) -> list[str]:
    return [f"consumer-{number}" for number in range(1, consumers + 1)]


def _remake_topic(stack: DisposableStack, partitions: int) -> None:
    """Delete the topic with its records, and create it again."""
    admin = AdminClient({"bootstrap.servers": stack.environment["COUPON_KAFKA_BOOTSTRAP_SERVERS"]})
    admin.delete_topics([REQUEST_TOPIC])[REQUEST_TOPIC].result(_GONE_WITHIN_SECONDS)
    deadline = time.monotonic() + _GONE_WITHIN_SECONDS
    while REQUEST_TOPIC in admin.list_topics(timeout=10).topics:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{REQUEST_TOPIC} is still there after it was deleted")
        time.sleep(0.1)
    made = admin.create_topics([NewTopic(REQUEST_TOPIC, partitions, 1)])
    made[REQUEST_TOPIC].result(_GONE_WITHIN_SECONDS)
