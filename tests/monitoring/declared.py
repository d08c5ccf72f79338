"""The metrics that processes declare, as expressions name them."""

import re
from collections.abc import Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase

from docs.make.metrics import PROCESSES
from monitor.metrics import FIGURES

MONITOR = {figure.name for figure in FIGURES}
"""Of the monitor: what is unknown is absent, and some of it always is."""

OF_ANY_PROCESS = {"process_cpu_seconds_total", "process_resident_memory_bytes"}
"""Of consumer, reconciler and monitor; from the client library."""


def names_in(expression: str) -> set[str]:
    """The metrics that an expression names."""
    outside = re.sub(r'"[^"]*"', "", expression)
    return set(re.findall(r"\bcoupon_\w+|\bup\b|\bprocess_\w+", outside))


def declared() -> set[str]:
    """Every name that a process may serve; `up` is Prometheus' own."""
    return {
        "up",
        *OF_ANY_PROCESS,
        *MONITOR,
        *(name for each in PROCESSES.values() for name in _names(each)),
    }


def _names(registry: CollectorRegistry) -> Iterator[str]:
    for collector in registry._collector_to_names:
        if isinstance(collector, MetricWrapperBase):
            [metric] = collector.describe()
            ends = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}
            yield from (f"{metric.name}{end}" for end in ends.get(metric.type, ("",)))
