"""The dashboard of the way of a request, from the claim to its final mark."""

from compose.dashboards.panels import Figure, Lines, Rows

RATE = "[$__rate_interval]"


def _quantile(metric: str, label: str = "") -> str:
    by = f"le, {label}" if label else "le"
    return f"histogram_quantile(0.99, sum by ({by}) (rate({metric}_bucket{RATE})))"


def _mean(metric: str) -> str:
    return f"sum(rate({metric}_sum{RATE})) / sum(rate({metric}_count{RATE}))"


ROWS: Rows = {
    "Is it healthy, how far behind, when done": [
        Figure(
            "Pages",
            "short",
            "Symptoms that page somebody now.",
            'count(ALERTS{alertstate="firing", severity="page"}) or vector(0)',
        ),
        Figure(
            "Records behind",
            "short",
            "Request events that no consumer has committed.",
            "max(coupon_pipeline_lag_records)",
        ),
        Figure(
            "Seconds behind",
            "s",
            "Age of the oldest accepted request that is not final.",
            "max(coupon_pipeline_lag_seconds)",
        ),
        Figure(
            "Done in",
            "s",
            "At the current rate. Nothing is shown while the lag does not shrink.",
            "max(coupon_pipeline_catch_up_seconds)",
        ),
        Figure(
            "Heartbeat age",
            "s",
            "Age of the newest heartbeat that came through the pipeline.",
            "max(coupon_consumer_heartbeat_age_seconds)",
        ),
        Figure(
            "Dead letters",
            "short",
            "Change events that wait for a person.",
            "max(coupon_dead_letters_open)",
        ),
    ],
    "Stream": [
        Lines(
            "Events a second",
            "short",
            "Claims accepted, events that came into Kafka, events that consumers committed.",
            {
                "accepted": f'sum(rate(coupon_api_claims_total{{outcome="accepted"}}{RATE}))',
                "into Kafka": f"max(rate(coupon_pipeline_events_captured_total{RATE}))",
                "consumed": f"max(rate(coupon_pipeline_events_consumed_total{RATE}))",
            },
        ),
        Lines(
            "Lag",
            "short",
            "Records that wait in Kafka.",
            {"records": "max(coupon_pipeline_lag_records)"},
        ),
        Lines(
            "Delay by stage, 99 %",
            "s",
            "At the gate and in the ledger for a batch of claims; a consumer's batch; the total.",
            {
                "API: {{step}}": _quantile("coupon_api_batch_duration_seconds", "step"),
                "consumer's batch": _quantile("coupon_consumer_batch_duration_seconds"),
                "admission to mark": _quantile("coupon_consumer_processing_delay_seconds"),
            },
        ),
        Lines(
            "Batch sizes",
            "short",
            "Mean of claims that the API wrote, and of events that a consumer handled together.",
            {
                "claims": _mean("coupon_api_batch_claims"),
                "events": _mean("coupon_consumer_batch_events"),
            },
        ),
        Lines(
            "WAL kept for the slots",
            "bytes",
            "At the limit Postgres drops WAL, and the slot is lost.",
            {
                "kept": "max(coupon_stream_slot_kept_bytes)",
                "kept for events": "max(coupon_events_slot_kept_bytes)",
                "limit": "max(coupon_stream_slot_limit_bytes)",
            },
        ),
        Lines(
            "Connector",
            "short",
            "1: the connector runs, the slot is read. Tasks by state.",
            {
                "connector runs": "max(coupon_stream_connector_running)",
                "slot is read": "max(coupon_stream_slot_active)",
                "tasks {{state}}": "max by (state) (coupon_stream_tasks)",
            },
        ),
    ],
    "Outcomes": [
        Lines(
            "Events handled a second, by result",
            "short",
            "Repeated events and dead letters too.",
            {"{{result}}": f"sum by (result) (rate(coupon_consumer_events_total{RATE}))"},
        ),
        Lines(
            "Batches tried again a second",
            "short",
            "By the class of the error.",
            {"{{error}}": f"sum by (error) (rate(coupon_consumer_retries_total{RATE}))"},
        ),
        Lines(
            "Ledger",
            "short",
            "Requests of live coupons by status.",
            {"{{status}}": "max by (status) (coupon_ledger_requests)"},
        ),
        Lines(
            "Drift",
            "short",
            "Requests by which gate and ledger differ beyond what is in flight.",
            {"requests": "max(abs(coupon_ledger_drift_requests))"},
        ),
        Lines(
            "Repairs",
            "short",
            "What the reconciler repaired in ten minutes, by kind.",
            {"{{kind}}": "sum by (kind) (increase(coupon_reconciler_repairs_total[10m]))"},
        ),
        Lines(
            "Outcomes that were unknown at first",
            "short",
            "In ten minutes: connections lost during a commit, and admissions given back.",
            {
                "unknown commits": "sum(increase(coupon_api_unknown_outcomes_total[10m]))",
                "given back": "sum(increase(coupon_api_compensations_total[10m]))",
            },
        ),
    ],
}
