"""How many partitions, consumers and workers a rate needs. docs/how-to/size.md says the same."""

from math import ceil
from typing import NamedTuple

BUSY = 0.7
"""Of a core: a process that is busier has no room for the moment of opening."""

CLAIMS_A_WORKER = 4_000.0
"""A second, of one worker that is busy for all of a core; for APIs that run elsewhere."""
EVENTS_A_CONSUMER = 17_000.0
"""A second, in the same way. Both are the lower ends of docs/how-to/size.md."""

LEAST_PARTITIONS = 10
LEAST = 2
"""Workers and consumers: one of them may be restarted."""


class Cost(NamedTuple):
    """Processor seconds of one core for one claim.

    measured: whether the rehearsal measured it; else it is a figure of the documentation.
    """

    core_seconds: float
    measured: bool

    @property
    def source(self) -> str:
        """Where it comes from, in words."""
        where = "measured" if self.measured else "docs/how-to/size.md, not measured here"
        return f"{self.core_seconds * 1e6:,.0f} us of a core a claim ({where})"


class Needed(NamedTuple):
    """What a rate needs."""

    rate: float
    workers: int
    consumers: int
    partitions: int


def needed(rate: float, api: Cost, consumer: Cost) -> Needed:
    """Of each as many as keep one of them below BUSY of a core; a consumer needs a partition."""
    workers = max(LEAST, ceil(rate * api.core_seconds / BUSY))
    consumers = max(LEAST, ceil(rate * consumer.core_seconds / BUSY))
    return Needed(rate, workers, consumers, max(LEAST_PARTITIONS, consumers))


def cost(cores: float | None, rate: float, otherwise_a_second: float) -> Cost:
    """Of cores that were busy at a rate. None: not known, so that the documented figure counts."""
    if cores is None or rate <= 0:
        return Cost(1 / otherwise_a_second, False)
    return Cost(cores / rate, True)
