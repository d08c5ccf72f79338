"""How a figure of the monitor is declared: its name, its meaning, and how it is read."""

from collections.abc import Callable
from typing import Literal, NamedTuple, TypeVar

from monitor.samples import Sample, Samples
from monitor.state import State

V = TypeVar("V")


class Figure(NamedTuple):
    """A metric. read: its samples in a state."""

    name: str
    type: Literal["gauge", "counter"]
    labels: tuple[str, ...]
    meaning: str
    read: Samples


def _plain(
    type: Literal["gauge", "counter"],
    name: str,
    meaning: str,
    source: Callable[[State], V | None],
    read: Callable[[V], float | None],
) -> Figure:
    """A figure without labels. source: its part of the state; None: unknown."""

    def samples_of(state: State) -> list[Sample]:
        known = source(state)
        return [] if known is None else [((), read(known))]

    return Figure(name, type, (), meaning, samples_of)


def gauge(
    name: str,
    meaning: str,
    source: Callable[[State], V | None],
    read: Callable[[V], float | None],
) -> Figure:
    return _plain("gauge", name, meaning, source, read)


def counter(
    name: str,
    meaning: str,
    source: Callable[[State], V | None],
    read: Callable[[V], float | None],
) -> Figure:
    return _plain("counter", name, meaning, source, read)


def by(name: str, label: str, meaning: str, read: Samples) -> Figure:
    return Figure(name, "gauge", (label,), meaning, read)
