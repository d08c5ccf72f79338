"""What the reconciler measures, each metric with a sentence on what it means."""

from prometheus_client import Counter, Gauge

from coupons.metrics import process_registry

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
RECONCILER_UNAVAILABLE_COUPONS = Gauge(
    "coupon_reconciler_unavailable_coupons",
    "Coupons that were unavailable at the gate when the last pass began: it admits nobody to them.",
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
