"""How fast a backlog is consumed, by the number of consumers that share it."""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.backlog import measure_backlog
from benchmarks.embedded import EmbeddedStack
from benchmarks.progress import progress
from stack.ports import free_ports


@dataclass(frozen=True)
class Scaled:
    """One backlog of one coupon; cost_us: of one core for an event, all consumers together."""

    consumers: int
    events_per_s: float
    cost_us: float


def measure_scaling(stack: EmbeddedStack, counts: Sequence[int], events: int) -> list[Scaled]:
    """For each number of consumers; afterwards one runs, as before."""
    found = []
    for consumers in counts:
        progress(f"growth: a backlog, {consumers} consumers")
        _run_consumers(stack, consumers)
        names = _names(consumers)
        backlog = measure_backlog(stack, events, names)
        cost_us = sum(backlog.consumed_us[name] for name in names)
        found.append(Scaled(consumers, backlog.events_per_s, cost_us))
    _run_consumers(stack, 1)
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
