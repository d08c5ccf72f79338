"""The dashboard of processes and servers."""

from compose.dashboards.panels import Lines, Rows

RATE = "[$__rate_interval]"
_JOBS = '{job=~"coupon-.*"}'

ROWS: Rows = {
    "Who answers": [
        Lines(
            "Servers",
            "short",
            "1: the part answers the monitor.",
            {"{{part}} {{address}}": "coupon_monitor_up"},
            width=6,
        ),
        Lines(
            "Processes",
            "short",
            "1: Prometheus can read its metrics.",
            {"{{job}} {{instance}}": f"up{_JOBS}"},
            width=6,
        ),
        Lines(
            "Healthy",
            "short",
            "1: the process says that it is healthy.",
            {"{{part}} {{address}}": "coupon_monitor_healthy"},
            width=6,
        ),
        Lines(
            "Age of what the monitor knows",
            "s",
            "Since each source was last read.",
            {"{{source}}": "max by (source) (coupon_monitor_source_age_seconds)"},
            width=6,
        ),
    ],
    "API": [
        Lines(
            "Responses a second, by status",
            "short",
            "All routes.",
            {"{{status}}": f"sum by (status) (rate(coupon_api_requests_total{RATE}))"},
        ),
        Lines(
            "Response time by route, 99 %",
            "s",
            "Without long polls.",
            {
                "{{route}}": "histogram_quantile(0.99, sum by (le, route)"
                f" (rate(coupon_api_request_duration_seconds_bucket{RATE})))"
            },
        ),
        Lines(
            "Partitions by consumer",
            "short",
            "A consumer without partitions does nothing.",
            {"{{instance}}": "coupon_consumer_assigned_partitions"},
        ),
    ],
    "Redis": [
        Lines(
            "Memory",
            "bytes",
            "At its maximum Redis refuses claims.",
            {
                "used": "max(coupon_gate_memory_bytes)",
                "maximum": "max(coupon_gate_memory_limit_bytes)",
            },
        ),
        Lines(
            "Memory a user",
            "bytes",
            "Memory by request at the gate. It is only a guide while Redis holds few requests.",
            {"bytes": "max(coupon_gate_memory_bytes) / (sum(coupon_gate_requests) > 0)"},
        ),
        Lines(
            "Coupons at the gate, by state",
            "short",
            "Unavailable coupons admit nobody.",
            {"{{state}}": "max by (state) (coupon_gate_coupons)"},
        ),
    ],
    "Machine": [
        Lines(
            "Disk left",
            "percentunit",
            "Where the monitor can see the disk.",
            {"{{part}}": "min by (part) (coupon_disk_free_bytes / coupon_disk_size_bytes)"},
        ),
        Lines(
            "Processor time a second",
            "s",
            "Consumers, reconciler and monitor.",
            {"{{job}} {{instance}}": f"rate(process_cpu_seconds_total{_JOBS}{RATE})"},
        ),
        Lines(
            "Memory of processes",
            "bytes",
            "Consumers, reconciler and monitor.",
            {"{{job}} {{instance}}": f"process_resident_memory_bytes{_JOBS}"},
        ),
        Lines(
            "Reconciler",
            "short",
            "Passes a second, and restarts of the connectors' tasks in ten minutes.",
            {
                "passes": f"sum(rate(coupon_reconciler_passes_total{RATE}))",
                "restarts of {{connector}}": (
                    "sum by (connector) (increase(coupon_connector_restarts_total[10m]))"
                ),
            },
        ),
        Lines(
            "Refresh of the monitor",
            "s",
            "How long it takes to read each source.",
            {"{{source}}": "max by (source) (coupon_monitor_refresh_duration_seconds)"},
        ),
    ],
}
