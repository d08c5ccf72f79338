"""The dashboard of one coupon while it is live."""

from compose.dashboards.panels import Figure, Lines, Rows

RATE = "[$__rate_interval]"
_DELAY = f"sum by (le) (rate(coupon_consumer_processing_delay_seconds_bucket{RATE}))"
_CLAIM = 'coupon_api_request_duration_seconds_bucket{route="claims.claim"}'
_LATENCY = f"sum by (le) (rate({_CLAIM}{RATE}))"


def _live(name: str) -> str:
    return f'max(coupon_live_{name}{{coupon="$coupon"}})'


def _change(name: str) -> str:
    return f'max(deriv(coupon_live_{name}{{coupon="$coupon"}}[1m]))'


ROWS: Rows = {
    "Coupon $coupon": [
        Figure("Stock", "short", "Coupons in all.", _live("stock")),
        Figure("Left", "short", "Coupons that nobody has claimed yet.", _live("left")),
        Figure("Issued", "short", "Users who have one.", _live("issued")),
        Figure("Pending", "short", "Claims that are accepted and not final.", _live("pending")),
        Figure("Issued a second", "short", "Over the last minute.", _change("issued")),
        Figure(
            "Sold out in",
            "s",
            "At the rate of the last minute. Nothing is shown while nobody claims.",
            f"{_live('left')} / (-{_change('left')} > 0)",
        ),
        Lines(
            "Course of the sale",
            "short",
            "Left falls as users are admitted; issued follows it by the delay of the pipeline.",
            {name: _live(name) for name in ("left", "pending", "issued")},
            width=24,
        ),
    ],
    "Claims of all coupons": [
        Lines(
            "Claims a second, by outcome",
            "short",
            "What was decided, refusals by reason, and what a rate limit refused before.",
            {
                "{{outcome}}": f"sum by (outcome) (rate(coupon_api_claims_total{RATE}))",
                "too many of one {{limit}}": (
                    f"sum by (limit) (rate(coupon_api_limited_claims_total{RATE}))"
                ),
            },
            width=12,
        ),
        Lines(
            "Response time of a claim",
            "s",
            "From its arrival at the application to the response.",
            {
                "median": f"histogram_quantile(0.5, {_LATENCY})",
                "99 %": f"histogram_quantile(0.99, {_LATENCY})",
            },
            width=12,
        ),
        Lines(
            "From admission to the final mark",
            "s",
            "How long a user waits for the outcome.",
            {
                "median": f"histogram_quantile(0.5, {_DELAY})",
                "99 %": f"histogram_quantile(0.99, {_DELAY})",
            },
        ),
        Lines(
            "Users who wait for an outcome",
            "short",
            "Long polls that wait now.",
            {"waiting": "sum(coupon_api_waiters)"},
        ),
        Lines(
            "Requests at the gate, by status",
            "short",
            "Over all live coupons.",
            {"{{status}}": "max by (status) (coupon_gate_requests)"},
        ),
    ],
}
