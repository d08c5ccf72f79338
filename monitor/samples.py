"""The samples of the figures that have labels, read from a state."""

from collections.abc import Callable, Iterable, Iterator
from typing import Literal

from monitor.state import State

Sample = tuple[tuple[str, ...], float | None]
"""Values of the labels, and the value; None: unknown."""

Samples = Callable[[State], Iterable[Sample]]


def up(state: State) -> Iterator[Sample]:
    """Every server and process that is watched."""
    servers = {name: state.sources[name] for name in state.addresses if name in state.sources}
    for name, source in servers.items():
        yield (name, state.addresses[name]), float(source.is_known)
    for each in state.processes:
        yield (each.part, each.address), float(each.health.is_known)


def healthy(state: State) -> Iterator[Sample]:
    """Every process that answers."""
    for each in state.processes:
        health = each.health.value
        yield (each.part, each.address), None if health is None else health.is_healthy


def at_gate(state: State) -> Iterator[Sample]:
    """By status, over the live coupons."""
    if found := state.at_gate:
        yield ("pending",), found.pending
        yield ("issued",), found.issued
        yield ("rejected",), found.rejected


def in_ledger(state: State) -> Iterator[Sample]:
    """By status, over the live coupons."""
    if sums := state.in_ledger:
        yield ("accepted",), sums.accepted
        yield ("issued",), sums.issued
        yield ("rejected",), sums.rejected
        yield ("in_flight",), sums.in_flight


def gate_coupons(state: State) -> Iterator[Sample]:
    """By state at the gate."""
    if found := state.at_gate:
        yield from (((name,), count) for name, count in found.coupons.items())


def tasks(state: State) -> Iterator[Sample]:
    """By state; RUNNING and FAILED always."""
    connector = state.connector
    if connector is not None:
        tasks = connector.state.tasks if connector.state else []
        for name in sorted({"RUNNING", "FAILED", *(task.state for task in tasks)}):
            yield (name,), sum(task.state == name for task in tasks)


def disks(read: Literal["free", "size"]) -> Samples:
    """By part."""

    def samples(state: State) -> Iterator[Sample]:
        disks = state.disks and state.disks.value
        for part, disk in (disks or {}).items():
            yield (part,), getattr(disk, read)

    return samples


def live(read: Literal["places_left", "issued", "pending"]) -> Samples:
    """By coupon."""

    def samples(state: State) -> Iterator[Sample]:
        for coupon, figures in ((each.coupon, each.figures) for each in state.live):
            yield (str(coupon.coupon_id),), figures and getattr(figures, read)

    return samples
