"""States of requests, dead letters and the gate."""

from chaos.drill.site import Site
from chaos.drill.state import State
from chaos.faults.garbage import write_unreadable
from coupons.gate.values import coupon_key
from operations.doctor.findings import Section

_MORE_THAN_THE_LIMIT = 60
"""COUPON_CONSUMER_DLQ_MAX_CONSECUTIVE is 50. They are written as one batch: no claim is between."""
_DISCARD = 'coupon dead-letters discard LETTER --reason "nobody\'s request"'


def _flood(site: Site) -> None:
    servers = site.stack.environment["COUPON_KAFKA_BOOTSTRAP_SERVERS"]
    write_unreadable(servers, _MORE_THAN_THE_LIMIT)


def _empty_the_gate(site: Site) -> None:
    site.faults["kill reconciler"].cause()
    site.faults["redis flushed"].cause()


def _write_an_unreadable_date(site: Site) -> None:
    """Somebody removes the check of the table. With it the consumer could not update the row."""
    site.run_as_superuser("ALTER TABLE coupon DROP CONSTRAINT IF EXISTS coupon_start_is_readable")
    site.run_as_superuser(
        f"UPDATE coupon SET issue_starts_at = '20000-01-01' WHERE coupon_id = {site.coupon_id}"
    )


def _count_too_many(site: Site) -> None:
    """Somebody edits a key of Redis. Nobody repairs it."""
    site.faults["kill reconciler"].cause()
    site.target.gate().client.hincrby(coupon_key(site.coupon_id), "issued", 100)


REQUESTS = (
    State(
        Section.DEAD_LETTERS,
        (Section.DEAD_LETTERS,),
        "are not handled",
        "records that nobody can read were written to the request topic",
        lambda site: site.faults["garbage"].cause(),
        ("CouponDeadLettersOpen",),
        (_DISCARD,),
    ),
    State(
        Section.CONSUMER_STOPPED,
        (Section.CONSUMER_STOPPED,),
        "consumer-1 stopped",
        f"{_MORE_THAN_THE_LIMIT} records that nobody can read were written to the request topic",
        _flood,
        ("CouponConsumerStopped",),
        (
            "COUPON_CONSUMER_DLQ_MAX_CONSECUTIVE=1000000 COUPON_CONSUMER_DLQ_MAX_RATIO=1"
            " coupon restart consumer-1",
            "coupon verify --wait 60",
            "coupon restart consumer-1",
            _DISCARD,
        ),
    ),
    State(
        Section.GATE_UNAVAILABLE,
        (Section.RECONCILER_DOWN, Section.GATE_UNAVAILABLE),
        "it is unavailable",
        "Redis was emptied, and the reconciler was killed before it could rebuild the gate",
        _empty_the_gate,
        ("CouponReconcilerNotActive", "CouponGateUnavailable"),
        ("coupon up",),
    ),
    State(
        Section.BROKEN_COUPON,
        (Section.BROKEN_COUPON,),
        "it cannot be changed or repaired",
        "a check was removed, and a date beyond the year 9999 was written into a coupon's row",
        _write_an_unreadable_date,
        ("CouponCouponFailing",),
        ('coupon sql --as owner "UPDATE coupon SET issue_starts_at = now() WHERE coupon_id = N"',),
    ),
    State(
        Section.MISMATCH,
        (Section.RECONCILER_DOWN, Section.MISMATCH),
        "count differently",
        "the reconciler was killed, and a count in Redis was changed by hand",
        _count_too_many,
        ("CouponDrift",),
        ("coupon reconcile", "coupon up"),
    ),
)
