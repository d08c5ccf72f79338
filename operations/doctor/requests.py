"""Checks of the requests themselves: gate open, and all of them final in time."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta

from connectors.recovery import NotFinal
from coupons.errors import GateUnavailable, KafkaUnavailable
from coupons.gate import GateFigures, connect_gate, unavailable_reason
from coupons.heartbeat import read_heartbeat
from coupons.kafka_admin import KafkaAdmin
from coupons.ledger.connection import connect_ledger
from coupons.ledger.coupons import list_readable
from coupons.model import Coupon, GateState, from_microseconds
from operations.doctor.findings import Finding, Section, failing, ok, warning
from operations.doctor.overdue import count_overdue
from operations.doctor.system import System

OLD_AFTER_SECONDS = 60.0

_SHOWN = 5


def check_redis(places: System) -> Iterator[Finding]:
    """Raises GateUnavailable."""
    connect_gate(places.redis_url).now_us()
    yield ok("redis", "it answers")


def check_gate(places: System) -> Iterator[Finding]:
    """Raises GateUnavailable or LedgerUnavailable."""
    gate = connect_gate(places.redis_url)
    with closing(connect_ledger(places.database_url, "coupon-doctor")) as connection:
        coupons, unreadable = list_readable(connection)
    for why in unreadable.values():
        says = f"{why}: it cannot be changed, and its gate is not repaired; the others go on"
        yield failing("gate", says, "coupon gate status", Section.BROKEN_COUPON)
    found = gate.figures([coupon.coupon_id for coupon in coupons])
    yield from gate_findings(coupons, found)


def gate_findings(
    coupons: Sequence[Coupon], found: Sequence[GateFigures | None]
) -> Iterator[Finding]:
    """What the gate's state of each coupon means, beside the ledger's."""
    pairs = list(zip(coupons, found, strict=True))
    if old := [coupon.coupon_id for coupon, figures in pairs if _is_old_copy(coupon, figures)]:
        says = f"Redis came back with an older copy: marks of {_named(old)} are missing in it"
        yield failing("redis copy", says, "coupon gate status", Section.REDIS_RESTORED)
    reasons = {coupon.coupon_id: unavailable_reason(figures, coupon) for coupon, figures in pairs}
    if shut := [coupon_id for coupon_id, why in reasons.items() if why is not None]:
        whys = ", ".join(sorted({str(reasons[coupon_id]) for coupon_id in shut}))
        says = (
            f"it is closed ({whys}) for {len(shut)} of {len(coupons)} coupons, {_named(shut)}:"
            " the API answers 503"
        )
        yield failing("gate", says, "coupon gate status", Section.GATE_CLOSED)
    else:
        yield ok("gate", f"the gates of all {len(coupons)} coupons are in order")


def _is_old_copy(coupon: Coupon, figures: GateFigures | None) -> bool:
    """Loaded into another life of the server, and behind what was final in the ledger."""
    if figures is None or figures.state is not GateState.STALE:
        return False
    final = coupon.issued_count + coupon.rejected_count
    return figures.epoch < coupon.gate_epoch or figures.issued + figures.rejected < final


def _named(coupon_ids: Sequence[int]) -> str:
    more = " ..." if len(coupon_ids) > _SHOWN else ""
    return f"coupon {', '.join(map(str, coupon_ids[:_SHOWN]))}{more}"


def check_final(places: System) -> Iterator[Finding]:
    """Raises LedgerUnavailable."""
    before = datetime.now(UTC) - timedelta(seconds=OLD_AFTER_SECONDS)
    with closing(connect_ledger(places.database_url, "coupon-doctor")) as connection:
        old = count_overdue(connect_gate(places.redis_url), connection, before)
    if not old.requests:
        yield ok("requests", f"all older than {OLD_AFTER_SECONDS:.0f} s are final")
    elif _was_passed_over(places, old):
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


def _was_passed_over(places: System, old: NotFinal) -> bool:
    """Whether the stream has gone beyond them: then waiting does not help."""
    assert old.oldest is not None
    try:
        heartbeat_us = read_heartbeat(connect_gate(places.redis_url).client)
        lag = KafkaAdmin(places.kafka).consuming(places.consumer_group).lag
    except (GateUnavailable, KafkaUnavailable):
        return False
    return (
        heartbeat_us is not None
        and lag == 0
        and from_microseconds(heartbeat_us) > old.oldest + timedelta(seconds=OLD_AFTER_SECONDS)
    )
