"""The reference of the metrics, from the registries that the processes serve."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase

from api.metrics import API
from cdc_consumer.metrics import CONSUMER
from docs.make.markdown import table
from monitor.metrics import FIGURES
from reconciler.metrics import RECONCILER

PROCESSES = {
    "API, on its management address": API,
    "Consumer": CONSUMER,
    "Reconciler": RECONCILER,
}

HEAD = """# Metrics

Each process serves its own metrics at `/metrics`, in the text format of Prometheus. It serves no
others: a zero was counted, and a process that is gone is missing. The monitor serves what it reads
from all servers and processes: a figure that is unknown now is absent there. The alerts on all of
them are on the page [Alerts](alerts.md).

A gauge that a process cannot measure now is NaN. `max()` and `min()` of Prometheus skip NaN. An API
with several workers shows the sum over its workers. A histogram adds `_bucket`, `_sum` and `_count`
to its name. Consumer, reconciler and monitor also serve `process_*` and `python_*`, which describe
the process itself.

*Generated from the metrics themselves by `make docs`. A test compares the two.*
"""


def render() -> str:
    """The page."""
    head = ["metric", "type", "labels", "meaning"]
    sections = [
        f"\n## {title}\n\n{table(head, _rows(registry))}" for title, registry in PROCESSES.items()
    ]
    figures = [
        (f"`{each.name}`", each.type, ", ".join(f"`{name}`" for name in each.labels), each.meaning)
        for each in FIGURES
    ]
    return HEAD + "".join([*sections, f"\n## Monitor\n\n{table(head, figures)}"])


def _rows(registry: CollectorRegistry) -> Iterator[tuple[str, str, str, str]]:
    # The client library has no public way to list what is declared.
    for collector in registry._collector_to_names:
        if isinstance(collector, MetricWrapperBase):
            [metric] = collector.describe()
            total = "_total" if metric.type == "counter" else ""
            labels = ", ".join(f"`{name}`" for name in collector._labelnames)
            yield f"`{metric.name}{total}`", metric.type, labels, metric.documentation
