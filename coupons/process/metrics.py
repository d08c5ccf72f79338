"""Metrics in the text format of Prometheus.

Each process declares its own (`api/metrics.py`, `cdc_consumer/metrics.py`, `reconciler/metrics.py`)
in a registry of its own. So it shows no zeros of what another process measures.
"""

import os

from prometheus_client import CollectorRegistry, Counter, generate_latest
from prometheus_client.gc_collector import GCCollector
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

NOT_MEASURED = float("nan")
"""The value of a gauge that this process does not measure now. max() and min() of Prometheus
ignore it."""


def process_registry() -> CollectorRegistry:
    """A registry that also shows the process itself: process_* and python_*."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


def exposition(registry: CollectorRegistry) -> bytes:
    """The metrics of this process. Workers that share a folder are summed."""
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)


def trace_spans_counter(process: str, registry: CollectorRegistry) -> Counter:
    """The counter of a process's spans. process: its part of the metric's name."""
    return Counter(
        f"coupon_{process}_trace_spans_total",
        "Spans of traced requests, by result: exported, failed (the collector did not take them) or"
        " dropped (too many waited for the collector).",
        ["result"],
        registry=registry,
    )
