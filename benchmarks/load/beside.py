"""Claims of another coupon, one after the other, beside the work that is measured."""

import statistics
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from multiprocessing import get_context
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Event
from typing import NamedTuple

Claim = Callable[[int], object]
"""Makes the claim of this number, from 0 on, and returns when it is answered."""
Opened = Callable[[str], AbstractContextManager[Claim]]
"""Connects to a server by its URL. A function of a module: another process calls it."""


class Times(NamedTuple):
    """Of claims of another coupon: milliseconds."""

    claims: int
    p50_ms: float
    p99_ms: float
    most_ms: float


def claim_beside(opened: Opened, url: str, pause_s: float, work: Callable[[], object]) -> Times:
    """The times of claims that a process of its own makes, as long as the work takes.

    pause_s: between two claims. The first one is made before the work, and is not counted.
    """
    context = get_context("spawn")
    begun, stop, found = context.Event(), context.Event(), context.Queue()
    child = context.Process(target=_claim, args=(opened, url, pause_s, begun, stop, found))
    child.start()
    begun.wait()
    try:
        work()
    finally:
        stop.set()
    taken = found.get()
    child.join()
    cuts = statistics.quantiles(taken, n=100, method="inclusive")
    return Times(len(taken), cuts[49], cuts[98], max(taken))


def _claim(
    opened: Opened,
    url: str,
    pause_s: float,
    begun: Event,
    stop: Event,
    found: "Queue[list[float]]",
) -> None:
    taken: list[float] = []
    with opened(url) as claim:
        claim(0)
        begun.set()
        while not stop.is_set():
            began = time.perf_counter()
            claim(len(taken) + 1)
            taken.append((time.perf_counter() - began) * 1_000)
            stop.wait(pause_s)
    found.put(taken)
