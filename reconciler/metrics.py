"""The metrics of the reconciler, each with a sentence on what it means."""

from prometheus_client import Counter, Gauge

from coupons.process.metrics import process_registry, trace_spans_counter

RECONCILER = process_registry()

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
RECONCILER_MISMATCHES = Counter(
    "coupon_reconciler_mismatches_total",
    "Requests about which gate and ledger differed in a full comparison, by kind:"
    " missing_mark, unwritten, forgotten, ghost, no_request, other.",
    ["kind"],
    registry=RECONCILER,
)
RECONCILER_COMPARISONS = Counter(
    "coupon_reconciler_comparisons_total",
    "Coupons compared request by request, by why: drift (their counts differed) or routine.",
    ["why"],
    registry=RECONCILER,
)
RECONCILER_UNAVAILABLE_COUPONS = Gauge(
    "coupon_reconciler_unavailable_coupons",
    "Coupons that were unavailable at the gate when the last pass began: it admits no claim.",
    registry=RECONCILER,
)
RECONCILER_FAILING_COUPONS = Gauge(
    "coupon_reconciler_failing_coupons",
    "Coupons that could not be processed at the last attempt: their row cannot be read or is"
    " locked. The log names each; the other coupons are processed.",
    registry=RECONCILER,
)
RECONCILER_OLDEST_PENDING_SECONDS = Gauge(
    "coupon_reconciler_oldest_pending_seconds",
    "Age of the oldest request that is not final at the gate; 0 when there is none.",
    registry=RECONCILER,
)
RECONCILER_EXPIRED = Counter(
    "coupon_reconciler_expired_total",
    "Issued coupons whose expiry was written as a change, after their time was over.",
    registry=RECONCILER,
)
RECONCILER_PROMOTED = Counter(
    "coupon_reconciler_promoted_total",
    "Users of standby lists who were promoted, as stock came back.",
    registry=RECONCILER,
)
RECONCILER_STANDBY_LINES = Gauge(
    "coupon_reconciler_standby_lines",
    "Coupons in whose standby list somebody waits.",
    registry=RECONCILER,
)
RECONCILER_ERASED_AGAIN = Counter(
    "coupon_reconciler_erased_again_total",
    "Erasures of users that were ended after they were cut off, or done again because an old record"
    " of Kafka had brought something of the user back.",
    registry=RECONCILER,
)
RECONCILER_EXPIRY_FAILING_COUPONS = Gauge(
    "coupon_reconciler_expiry_failing_coupons",
    "Coupons whose expiry could not be written at the last attempt. The log names each; the other"
    " coupons are handled.",
    registry=RECONCILER,
)
RECONCILER_FORGOTTEN = Counter(
    "coupon_reconciler_forgotten_total",
    "Archived coupons whose keys were removed from the gate.",
    registry=RECONCILER,
)
CONNECTOR_RESTARTS = Counter(
    "coupon_connector_restarts_total",
    "Times that a failed connector task was restarted, by connector: coupon-cdc, and coupon-events"
    " of the events for other services.",
    ["connector"],
    registry=RECONCILER,
)
RECONCILER_TRACE_SPANS = trace_spans_counter("reconciler", RECONCILER)
