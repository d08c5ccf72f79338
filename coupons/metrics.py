"""Every metric of the project, declared once, with a sentence on what it means.

Each kind of process has a registry of its own and shows that alone: what it does not measure would
be shown as zero, which reads as "all is well".
"""

import os
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.gc_collector import GCCollector
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

API = CollectorRegistry()
CONSUMER = CollectorRegistry()
RECONCILER = CollectorRegistry()

NOT_MEASURED = float("nan")
"""The value of a gauge that a process could measure and does not now; max() and min() of Prometheus
pass over it."""

for _registry in (CONSUMER, RECONCILER):
    ProcessCollector(registry=_registry)
    PlatformCollector(registry=_registry)
    GCCollector(registry=_registry)


def exposition(registry: CollectorRegistry) -> bytes:
    """What this process measures, in the text format of Prometheus.

    Of a process with several workers, all together; those of a single worker (process_*, python_*)
    are not shown.
    """
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        return generate_latest(_AllWorkers(registry))
    return generate_latest(registry)


class _AllWorkers(CollectorRegistry):
    """The metrics of one registry, summed over the workers that share a folder.

    In the folder are all that a worker has imported: those of the other registries too.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__()
        self._names = {metric.name for metric in registry.collect()}

    def collect(self) -> Iterator[Metric]:
        everything = MultiProcessCollector(self).collect()  # type: ignore[no-untyped-call]
        return (metric for metric in everything if metric.name in self._names)


# The API.

API_RESPONSE_SECONDS = Histogram(
    "coupon_api_response_seconds",
    "Time from the request's arrival at the application to its answer, without long polls.",
    ["route"],
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5),
    registry=API,
)
API_RESPONSES = Counter(
    "coupon_api_responses_total",
    "Answers given, by route and HTTP status.",
    ["route", "status"],
    registry=API,
)
API_CLAIMS = Counter(
    "coupon_api_claims_total",
    "Claims decided, by outcome: accepted, repeated, final, why refused, or the trouble met.",
    ["outcome"],
    registry=API,
)
API_BATCH_CLAIMS = Histogram(
    "coupon_api_batch_claims",
    "Claims that were admitted and written together.",
    buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500),
    registry=API,
)
API_BATCH_SECONDS = Histogram(
    "coupon_api_batch_seconds",
    "Time that one batch took at the gate (admit) and in the ledger (write).",
    ["step"],
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 5),
    registry=API,
)
API_UNKNOWN_OUTCOMES = Counter(
    "coupon_api_unknown_outcomes_total",
    "Batches whose connection to Postgres was lost before the answer to their commit.",
    registry=API,
)
API_COMPENSATED = Counter(
    "coupon_api_compensated_total",
    "Places given back at the gate because their rows definitely do not exist.",
    registry=API,
)
API_WAITERS = Gauge(
    "coupon_api_waiters", "Long polls that wait now.", multiprocess_mode="livesum", registry=API
)

# The consumer.

CONSUMER_EVENTS = Counter(
    "coupon_consumer_events_total",
    "Change events handled, by result: issued, rejected, repeated, beat or dead_letter.",
    ["result"],
    registry=CONSUMER,
)
CONSUMER_BATCH_EVENTS = Histogram(
    "coupon_consumer_batch_events",
    "Change events handled together, in one transaction.",
    buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500, 1000),
    registry=CONSUMER,
)
CONSUMER_BATCH_SECONDS = Histogram(
    "coupon_consumer_batch_seconds",
    "Time from a batch in hand to its marks at the gate and its dead letters delivered.",
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10),
    registry=CONSUMER,
)
CONSUMER_DELAY_SECONDS = Histogram(
    "coupon_consumer_delay_seconds",
    "Time from the gate's admission to the mark ISSUED or REJECTED, of fresh outcomes.",
    buckets=(0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300, 3600),
    registry=CONSUMER,
)
CONSUMER_RETRIES = Counter(
    "coupon_consumer_retries_total",
    "Batches abandoned to be tried again, by the class of the error that stopped them.",
    ["error"],
    registry=CONSUMER,
)
CONSUMER_FAILED_COMMITS = Counter(
    "coupon_consumer_failed_commits_total",
    "Offset commits that Kafka refused; the next commit covers them.",
    registry=CONSUMER,
)
CONSUMER_STOPPED = Gauge(
    "coupon_consumer_stopped",
    "1 while the consumer has stopped because too many change events cannot be handled, which is an"
    " outage and no poison; else 0.",
    registry=CONSUMER,
)
CONSUMER_PARTITIONS = Gauge(
    "coupon_consumer_partitions", "Partitions that this consumer owns now.", registry=CONSUMER
)
CDC_FRESHNESS_SECONDS = Gauge(
    "coupon_cdc_freshness_seconds",
    "Age of the newest heartbeat row seen: the pipeline's real delay, also while idle. NaN in a"
    " consumer that does not own the heartbeat's partition.",
    registry=CONSUMER,
)

# The reconciler.

RECONCILER_PASSES = Counter(
    "coupon_reconciler_passes_total",
    "Passes over all coupons that the active reconciler finished.",
    registry=RECONCILER,
)
RECONCILER_REPAIRS = Counter(
    "coupon_reconciler_repairs_total",
    "Repairs of the gate, by kind: rebuilt_REASON, redefined (one each a coupon), marked,"
    " rolled_forward, row_restored (one each a request). A rebuild's reasons: missing, stale,"
    " loading, unreadable, fenced, ahead, differences, figures.",
    ["kind"],
    registry=RECONCILER,
)
RECONCILER_DIFFERENCES = Counter(
    "coupon_reconciler_differences_total",
    "Requests of which gate and ledger told differently in a full comparison, by kind:"
    " missing_mark, unwritten, forgotten, ghost, no_request, other.",
    ["kind"],
    registry=RECONCILER,
)
RECONCILER_COMPARISONS = Counter(
    "coupon_reconciler_comparisons_total",
    "Coupons compared request by request, by why: drift (their counts disagreed) or routine.",
    ["why"],
    registry=RECONCILER,
)
RECONCILER_CLOSED_COUPONS = Gauge(
    "coupon_reconciler_closed_coupons",
    "Coupons that the gate was closed for when the last pass began: it admits nobody to them.",
    registry=RECONCILER,
)
RECONCILER_FAILING_COUPONS = Gauge(
    "coupon_reconciler_failing_coupons",
    "Coupons that could not be worked on when they were last tried: a row that cannot be read, a"
    " lock that somebody holds. The log names each; the others go on.",
    registry=RECONCILER,
)
RECONCILER_OLDEST_PENDING_SECONDS = Gauge(
    "coupon_reconciler_oldest_pending_seconds",
    "Age of the oldest request that is not final at the gate; 0 when there is none.",
    registry=RECONCILER,
)
CONNECTOR_RESTARTS = Counter(
    "coupon_connector_restarts_total",
    "Times that a failed connector task was restarted.",
    registry=RECONCILER,
)
