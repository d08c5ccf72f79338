"""The metrics of the consumer, each with its meaning."""

from prometheus_client import Counter, Gauge, Histogram

from coupons.process.metrics import process_registry, trace_spans_counter

CONSUMER = process_registry()

CONSUMER_EVENTS = Counter(
    "coupon_consumer_events_total",
    "Change events handled, by result: issued, rejected, repeated, retired (of a retired coupon),"
    " purged (of a rehearsal that is gone), heartbeat or dead_letter.",
    ["result"],
    registry=CONSUMER,
)
CONSUMER_BATCH_EVENTS = Histogram(
    "coupon_consumer_batch_events",
    "Change events handled together, in one transaction.",
    buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500, 1000),
    registry=CONSUMER,
)
CONSUMER_BATCH_DURATION = Histogram(
    "coupon_consumer_batch_duration_seconds",
    "Time from taking a batch to its marks at the gate and the delivery of its dead letters.",
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10),
    registry=CONSUMER,
)
CONSUMER_PROCESSING_DELAY = Histogram(
    "coupon_consumer_processing_delay_seconds",
    "Time from the gate's admission to the mark ISSUED or REJECTED, for new outcomes.",
    buckets=(0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300, 3600),
    registry=CONSUMER,
)
CONSUMER_RETRIES = Counter(
    "coupon_consumer_retries_total",
    "Batches given up and tried again, by the class of the error.",
    ["error"],
    registry=CONSUMER,
)
CONSUMER_COMMIT_FAILURES = Counter(
    "coupon_consumer_commit_failures_total",
    "Offset commits that Kafka refused; the next commit covers them.",
    registry=CONSUMER,
)
CONSUMER_STOPPED = Gauge(
    "coupon_consumer_stopped",
    "1 while the consumer has stopped because too many change events cannot be handled (an outage);"
    " else 0.",
    registry=CONSUMER,
)
CONSUMER_ASSIGNED_PARTITIONS = Gauge(
    "coupon_consumer_assigned_partitions",
    "Partitions that this consumer owns now.",
    registry=CONSUMER,
)
HEARTBEAT_AGE_SECONDS = Gauge(
    "coupon_consumer_heartbeat_age_seconds",
    "Age of the newest heartbeat row: the pipeline's delay, also while idle. NaN in a consumer that"
    " does not own the heartbeat's partition.",
    registry=CONSUMER,
)
CONSUMER_TRACE_SPANS = trace_spans_counter("consumer", CONSUMER)
