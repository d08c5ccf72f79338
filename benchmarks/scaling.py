"""How fast a backlog is consumed, by the topic's partitions and the consumers that share them."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from benchmarks.backlog import TOPIC, measure_backlog
from benchmarks.embedded import EmbeddedStack
from benchmarks.progress import progress
from coupons.change_events import REQUEST_PARTITIONS
from stack.ports import free_ports

_GONE_WITHIN_SECONDS = 30.0


@dataclass(frozen=True)
class Scaled:
    """One backlog of one coupon; cost_us: of one core for an event, all consumers together."""

    partitions: int
    consumers: int
    events_per_s: float
    cost_us: float


def measure_scaling(
    stack: EmbeddedStack, extent: Sequence[tuple[int, int]], events: int
) -> list[Scaled]:
    """For each number of partitions and consumers; afterwards both are as they were."""
    found = []
    partitions = REQUEST_PARTITIONS
    for wanted, consumers in extent:
        progress(f"growth: a backlog, {wanted} partitions, {consumers} consumers")
        _run_consumers(stack, consumers)
        if wanted != partitions:
            _remake_topic(stack, wanted, consumers)
            partitions = wanted
        names = _names(consumers)
        backlog = measure_backlog(stack, events, names)
        cost_us = sum(backlog.consumed_us[name] for name in names)
        found.append(Scaled(wanted, consumers, backlog.events_per_s, cost_us))
    _run_consumers(stack, 1)
    if partitions != REQUEST_PARTITIONS:
        _remake_topic(stack, REQUEST_PARTITIONS, 1)
    return found


def _names(consumers: int) -> list[str]:
    return [f"consumer-{number}" for number in range(1, consumers + 1)]


def _run_consumers(stack: EmbeddedStack, consumers: int) -> None:
    others = _names(consumers)[1:]
    ports = free_ports(others)
    single = [word for name in others for word in ("--port", f"{name}={ports[name]}")]
    # Those that run already have ports of their own.
    stack.stop(*others)
    stack.up(None, "--consumers", str(consumers), *single)


def _remake_topic(stack: EmbeddedStack, partitions: int, consumers: int) -> None:
    """What is on it is lost: nobody may need it any more."""
    stack.stop(*_names(consumers), "connect")
    admin = AdminClient({"bootstrap.servers": stack.environment["COUPON_KAFKA_BOOTSTRAP_SERVERS"]})
    admin.delete_topics([TOPIC])[TOPIC].result(_GONE_WITHIN_SECONDS)
    deadline = time.monotonic() + _GONE_WITHIN_SECONDS
    while TOPIC in admin.list_topics(timeout=10).topics:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{TOPIC} is still there after it was deleted")
        time.sleep(0.1)
    admin.create_topics([NewTopic(TOPIC, partitions, 1)])[TOPIC].result(_GONE_WITHIN_SECONDS)
    stack.up()
