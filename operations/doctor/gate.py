"""Checks of the gate: Redis answers, accepts writes, and has every coupon loaded."""

from collections.abc import Iterator, Sequence
from contextlib import closing

from coupons.gate import GateFigures, connect_gate, unavailable_reason
from coupons.gate.refusals import GateRefused
from coupons.gate.write_check import check_takes_writes as check_gate_serving
from coupons.ledger.connection import connect_ledger
from coupons.ledger.coupons import list_readable
from coupons.model import Coupon, GateState
from operations.doctor.findings import Finding, Section, failing, ok
from operations.doctor.runbook_sections import section_of
from operations.doctor.system import System

_SHOWN = 5


def check_redis(system: System) -> Iterator[Finding]:
    """Raises RedisUnavailable."""
    connect_gate(system.redis_url).now_us()
    yield ok("redis", "it answers")


def check_redis_writes(system: System) -> Iterator[Finding]:
    """Raises RedisUnavailable."""
    try:
        check_gate_serving(connect_gate(system.redis_url).client)
    except GateRefused as error:
        section = section_of(error, Section.REDIS_REFUSES)
        yield failing(
            "gate writes", f"{error}: no claim is admitted", "coupon gate status", section
        )
    else:
        yield ok("gate writes", "Redis accepts writes and never evicts a key")


def check_gate(system: System) -> Iterator[Finding]:
    """Raises RedisUnavailable or LedgerUnavailable."""
    gate = connect_gate(system.redis_url)
    with closing(connect_ledger(system.database_url, "coupon-doctor")) as connection:
        coupons, unreadable = list_readable(connection)
    for why in unreadable.values():
        says = f"{why}: it cannot be changed or repaired; the other coupons work"
        yield failing("gate", says, "coupon gate status", Section.BROKEN_COUPON)
    found = gate.figures([coupon.coupon_id for coupon in coupons])
    yield from gate_findings(coupons, found)


def gate_findings(
    coupons: Sequence[Coupon], found: Sequence[GateFigures | None]
) -> Iterator[Finding]:
    """The findings for the gate's state of each coupon, compared with the ledger's."""
    both = zip(coupons, found, strict=True)
    pairs = [each for each in both if each[0].belongs_at_gate]
    if old := [coupon.coupon_id for coupon, figures in pairs if _is_old_copy(coupon, figures)]:
        says = f"Redis was restored from an older copy: marks of {_ids(old)} are missing in it"
        yield failing("redis copy", says, "coupon gate status", Section.REDIS_RESTORED)
    reasons = {coupon.coupon_id: unavailable_reason(figures, coupon) for coupon, figures in pairs}
    if unavailable := [coupon_id for coupon_id, why in reasons.items() if why is not None]:
        whys = ", ".join(sorted({str(reasons[coupon_id]) for coupon_id in unavailable}))
        says = (
            f"it is unavailable ({whys}) for {len(unavailable)} of {len(pairs)} coupons,"
            f" {_ids(unavailable)}:"
            " the API answers 503"
        )
        yield failing("gate", says, "coupon gate status", Section.GATE_UNAVAILABLE)
    else:
        yield ok("gate", f"all {len(pairs)} coupons are loaded")


def _is_old_copy(coupon: Coupon, figures: GateFigures | None) -> bool:
    """Loaded before the server restarted, with fewer final requests than the ledger has."""
    if figures is None or figures.state is not GateState.STALE:
        return False
    final = coupon.issued_count + coupon.rejected_count
    return figures.epoch < coupon.gate_epoch or figures.issued + figures.rejected < final


def _ids(coupon_ids: Sequence[int]) -> str:
    more = " ..." if len(coupon_ids) > _SHOWN else ""
    return f"coupon {', '.join(map(str, coupon_ids[:_SHOWN]))}{more}"
