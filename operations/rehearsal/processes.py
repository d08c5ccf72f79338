"""Processor time of the system's processes: of a stack on this machine, else what each one says."""

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import NamedTuple

import psutil
import requests
from prometheus_client.parser import text_string_to_metric_families

from coupons.endpoints import CONSUMER_URLS, MANAGEMENT_URL, Endpoints
from coupons.errors import CouponError
from coupons.links.web import WebService
from stack.endpoints import consumer_urls, folder_of
from stack.options import existing

ANSWER_TIMEOUT_SECONDS = 3.0
_PROCESSOR = "process_cpu_seconds_total"

Processes = Mapping[tuple[str, int], float]
"""By part and process id (0: the one behind an address), processor seconds so far."""

Metrics = Mapping[str, float]
"""Samples by name; with several labels, or of several processes, their sum."""


class Busy(NamedTuple):
    """A part of the system. cores: processor seconds a second of all its processes.

    busiest: the same of the busiest one; most of them can use one core only.
    """

    part: str
    cores: float
    busiest: float


def read_processes(where: Endpoints) -> Processes:
    """Processor seconds of every process that can be seen from here."""
    folder = folder_of(where)
    if folder is None:
        urls = _consumer_urls(where)
        return {
            (f"consumer {number}", 0): seconds
            for number, url in enumerate(urls, 1)
            if (seconds := _metrics_of(url).get(_PROCESSOR)) is not None
        }
    found: dict[tuple[str, int], float] = {}
    for part in folder.part_names():
        run = folder.part(part).last_run()
        process = run.process() if run is not None else None
        if process is not None:
            with suppress(psutil.Error):
                for each in (process, *process.children(recursive=True)):
                    with suppress(psutil.Error):
                        found[part, each.pid] = sum(each.cpu_times()[:2])
    return found


def busy_between(before: Processes, after: Processes, seconds: float) -> list[Busy]:
    """How busy each part was between two readings, the busiest process first."""
    used: dict[str, list[float]] = {}
    for (part, pid), now in after.items():
        cores = max(0.0, now - before.get((part, pid), 0.0)) / max(seconds, 0.001)
        used.setdefault(part, []).append(cores)
    parts = [Busy(part, sum(each), max(each)) for part, each in used.items()]
    return sorted(parts, key=lambda each: -each.busiest)


def read_metrics(where: Endpoints) -> tuple[Metrics, Metrics]:
    """The metrics of all APIs that have a management address, and of the consumers."""
    apis: list[str] = []
    with suppress(CouponError):
        apis = where[MANAGEMENT_URL].split(",")
    return _sum(map(_metrics_of, apis)), _sum(map(_metrics_of, _consumer_urls(where)))


def mean_between(before: Metrics, after: Metrics, name: str) -> float | None:
    """The mean of a histogram's observations between two readings; None: there was none."""
    number = after.get(f"{name}_count", 0.0) - before.get(f"{name}_count", 0.0)
    total = after.get(f"{name}_sum", 0.0) - before.get(f"{name}_sum", 0.0)
    return total / number if number > 0 else None


def _consumer_urls(where: Endpoints) -> list[str]:
    folder = folder_of(where)
    known = os.environ.get(CONSUMER_URLS, "") if folder is None else consumer_urls(existing(folder))
    return [url for url in known.split(",") if url]


def _metrics_of(url: str) -> Metrics:
    """Empty when it does not answer: a rehearsal goes on without."""
    try:
        answer = WebService(url).request("GET", "/metrics", ANSWER_TIMEOUT_SECONDS)
        families = list(text_string_to_metric_families(answer.text))
    except (requests.RequestException, ValueError, CouponError):
        return {}
    return _sum({each.name: each.value} for family in families for each in family.samples)


def _sum(metrics: Iterable[Metrics]) -> Metrics:
    total: dict[str, float] = {}
    for each in metrics:
        for name, value in each.items():
            total[name] = total.get(name, 0.0) + value
    return total
