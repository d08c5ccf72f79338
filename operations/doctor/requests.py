"""Check that every request older than a minute is final."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import datetime, timedelta

from connectors.republish import NotFinal, count_not_final
from coupons.change_events.kafka_admin import KafkaAdmin
from coupons.errors import KafkaUnavailable, RedisUnavailable
from coupons.gate import Gate, connect_gate, unavailable_reason
from coupons.gate.heartbeat import read_heartbeat
from coupons.ledger.connection import Connection, connect_ledger
from coupons.ledger.coupons import list_coupons
from coupons.ledger.unfinished import read_clock_us
from coupons.model import Coupon, from_microseconds, to_microseconds
from operations.doctor.findings import Finding, Section, failing, ok, warning
from operations.doctor.system import System

OLD_AFTER_SECONDS = 60.0


def check_final(system: System) -> Iterator[Finding]:
    """Raises LedgerUnavailable."""
    with closing(connect_ledger(system.database_url, "coupon-doctor")) as connection:
        # Not by the clock of this machine, which may be wrong.
        now = from_microseconds(read_clock_us(connection))
        before = now - timedelta(seconds=OLD_AFTER_SECONDS)
        old = count_overdue(connect_gate(system.redis_url), connection, before)
    if not old.requests:
        yield ok("requests", f"all older than {OLD_AFTER_SECONDS:.0f} s are final")
    elif _was_passed_over(system, old):
        yield failing(
            "requests",
            f"{old.requests} were passed over: newer heartbeats came through and nothing waits in"
            " Kafka, so they were never streamed, or are dead letters (`coupon dead-letters list`)",
            "coupon connector recover --emit",
            Section.NOT_FINAL,
        )
    else:
        says = f"{old.requests} wait, the oldest since {old.oldest:%H:%M:%S} UTC, and none is lost"
        yield warning("requests", says, "coupon doctor", Section.NOT_FINAL)


def _was_passed_over(system: System, old: NotFinal) -> bool:
    """Whether the stream has passed them: then waiting does not help."""
    assert old.oldest is not None
    try:
        heartbeat_us = read_heartbeat(connect_gate(system.redis_url).client)
        lag = KafkaAdmin(system.kafka, system.consumer_group).consuming().lag
    except (RedisUnavailable, KafkaUnavailable):
        return False
    return (
        heartbeat_us is not None
        and lag == 0
        and from_microseconds(heartbeat_us) > old.oldest + timedelta(seconds=OLD_AFTER_SECONDS)
    )


def count_overdue(gate: Gate, connection: Connection, before: datetime) -> NotFinal:
    """Requests older than `before` that are not final. Raises LedgerUnavailable.

    Counts in the ledger only for coupons that may have such requests, because counting reads every
    request of a coupon. When Redis does not answer, it counts for all of them.
    """
    coupons = list_coupons(connection)
    try:
        suspects = _may_have_overdue(gate, coupons, before)
    except RedisUnavailable:
        return count_not_final(connection, before)
    return count_not_final(connection, before, suspects) if suspects else NotFinal(0, None)


def _may_have_overdue(gate: Gate, coupons: Sequence[Coupon], before: datetime) -> list[int]:
    """Coupons that may have overdue requests. Raises RedisUnavailable.

    Where the gate is open and its counts add up, every request that is not final is pending at the
    gate. For every other coupon only the ledger knows.
    """
    before_us = to_microseconds(before)
    coupon_ids = [coupon.coupon_id for coupon in coupons]
    found = gate.figures(coupon_ids)
    oldest_us = gate.oldest_pending_us(dict(zip(coupon_ids, found, strict=True)))
    return [
        coupon.coupon_id
        for coupon, figures in zip(coupons, found, strict=True)
        if figures is None
        or unavailable_reason(figures, coupon) is not None
        or not figures.balance
        or oldest_us.get(coupon.coupon_id, before_us) < before_us
    ]
