"""The metrics of the API, each with its meaning.

Prometheus sums the workers of one process. There are no process_* metrics of a single worker.
"""

from bisect import bisect_left
from collections.abc import Collection

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from coupons.process.metrics import trace_spans_counter

API = CollectorRegistry()


class SummedHistogram(Histogram):
    """A histogram that takes many observations at once, at the cost of one."""

    def observe_all(self, amounts: Collection[float]) -> None:
        """The same as `observe` for each of the amounts."""
        counts = [0] * len(self._buckets)
        for amount in amounts:
            counts[bisect_left(self._upper_bounds, amount)] += 1
        for bucket, count in zip(self._buckets, counts, strict=True):
            if count:
                bucket.inc(count)
        self._sum.inc(sum(amounts))


API_REQUEST_DURATION = SummedHistogram(
    "coupon_api_request_duration_seconds",
    "Time from the request's arrival at the application to its response, without long polls.",
    ["route"],
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5),
    registry=API,
)
API_REQUESTS = Counter(
    "coupon_api_requests_total",
    "Responses sent, by route and HTTP status.",
    ["route", "status"],
    registry=API,
)
API_CLAIMS = Counter(
    "coupon_api_claims_total",
    "Claims decided, by outcome: accepted, repeated, final, or why they were not accepted.",
    ["outcome"],
    registry=API,
)
API_LIMITED_CLAIMS = Counter(
    "coupon_api_limited_claims_total",
    "Claims answered with 429, by the limit that they exceed: user or address.",
    ["limit"],
    registry=API,
)
API_UNCOUNTED_CLAIMS = Counter(
    "coupon_api_uncounted_claims_total",
    "Claims that no rate limit counted, because Redis did not do it; they went on without limits.",
    registry=API,
)
API_BATCH_CLAIMS = Histogram(
    "coupon_api_batch_claims",
    "Claims that were admitted and written together.",
    buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500),
    registry=API,
)
API_BATCH_DURATION = Histogram(
    "coupon_api_batch_duration_seconds",
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
API_COMPENSATIONS = Counter(
    "coupon_api_compensations_total",
    "Admissions given back at the gate because their rows definitely do not exist.",
    registry=API,
)
API_WAITERS = Gauge(
    "coupon_api_waiters", "Long polls that wait now.", multiprocess_mode="livesum", registry=API
)
API_STREAMS = Gauge(
    "coupon_api_streams",
    "Event streams that are open now.",
    multiprocess_mode="livesum",
    registry=API,
)
API_TRACE_SPANS = trace_spans_counter("api", API)
