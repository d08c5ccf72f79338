"""A server that answers and refuses is not one that is down: what the runbook says of it."""

from coupons.gate.refusals import GateRefusal, GateRefused
from coupons.ledger.refusals import LedgerRefusal, LedgerRefused
from operations.doctor.findings import Section

_GATE = {
    GateRefusal.MAY_EVICT: Section.REDIS_EVICTS,
    GateRefusal.STARTING: Section.REDIS_DOWN,
}
_LEDGER = {
    LedgerRefusal.NO_CONNECTIONS: Section.NO_CONNECTIONS,
    LedgerRefusal.STARTING: Section.POSTGRES_DOWN,
    LedgerRefusal.LOCKED: Section.LOCKED,
    LedgerRefusal.STANDBY_AWAY: Section.STANDBY_AWAY,
    LedgerRefusal.ABANDONED: Section.STANDBY_AWAY,
    LedgerRefusal.NOT_ALLOWED: Section.NOT_PREPARED,
}


def section_of(error: Exception, otherwise: Section) -> Section:
    """The section on this refusal; `otherwise` for an error that is none."""
    if isinstance(error, GateRefused):
        return _GATE.get(error.refusal, Section.REDIS_REFUSES)
    if isinstance(error, LedgerRefused):
        return _LEDGER.get(error.refusal, Section.POSTGRES_REFUSES)
    return otherwise
