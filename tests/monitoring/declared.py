"""The metrics that processes declare, as expressions name them."""

import re
from collections.abc import Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase

from docs.make.metrics import PROCESSES

MONITOR = {
    "coupon_monitor_up",
    "coupon_monitor_healthy",
    "coupon_monitor_source_age_seconds",
    "coupon_monitor_refresh_duration_seconds",
    "coupon_pipeline_lag_records",
    "coupon_pipeline_lag_seconds",
    "coupon_pipeline_catch_up_seconds",
    "coupon_pipeline_events_captured_total",
    "coupon_pipeline_events_consumed_total",
    "coupon_gate_requests",
    "coupon_gate_coupons",
    "coupon_gate_memory_bytes",
    "coupon_gate_memory_limit_bytes",
    "coupon_stream_slot_active",
    "coupon_stream_slot_lost",
    "coupon_stream_slot_kept_bytes",
    "coupon_stream_slot_limit_bytes",
    "coupon_stream_connector_running",
    "coupon_stream_tasks",
    "coupon_stream_heartbeat_age_seconds",
    "coupon_ledger_requests",
    "coupon_ledger_drift_requests",
    "coupon_dead_letters_open",
    "coupon_dead_letter_limit_reached",
    "coupon_live_stock",
    "coupon_live_left",
    "coupon_live_issued",
    "coupon_live_pending",
    "coupon_disk_free_bytes",
    "coupon_disk_size_bytes",
}
"""Of the process monitor. Replace them by its registry when it is part of PROCESSES."""

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
