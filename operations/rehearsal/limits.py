"""What broke first in a rehearsal, or would have: by what was measured, in this order.

A machine without a free core, whatever suffered from it; refused claims, queues that grew, answers
that came too late; else the busiest process.
"""

from typing import NamedTuple

from coupons.gate.delays import percentile
from operations.rehearsal.run import Measured
from operations.rehearsal.watching import grew

LATE_MS = 250.0
"""A generator that sends later than that at the 99th percentile is the limit itself."""
SLOW_MS = 1_000.0
FULL = 0.9
"""Of a core, or of a machine: nothing more is to be had of it."""
MUCH = 0.1
"""Of a machine: programs that are no part of the system have to be named."""
_GROWN_SECONDS = 2.0
"""A queue has grown when it has gained what comes in so long."""
_WAL_A_CLAIM = 450
"""Bytes; docs/how-to/size.md."""

_FINE = ("202", "200")
_REFUSED = "409"
"""Sold out, for one: an answer as users get it."""


class Limit(NamedTuple):
    """broke: whether it was reached; else it would be next. at: claims a second (extrapolated)."""

    what: str
    says: str
    do: str
    broke: bool
    at: float | None = None


def first_limit(found: Measured) -> Limit:
    """The first that applies."""
    symptom = _refused(found) or _grown(found) or _late(found)
    return _machine(found, symptom) or symptom or _busiest(found)


def _refused(found: Measured) -> Limit | None:
    kinds = found.answers.kinds
    overloaded = sum(number for kind, number in kinds.items() if kind.startswith("503 overloaded"))
    if overloaded:
        says = f"{overloaded:,} claims were answered with 503 overloaded: its batches were full"
        return Limit("the API", says, "more workers, or more APIs", broke=True)
    limited = sum(number for kind, number in kinds.items() if kind.startswith("429"))
    if limited:
        says = f"{limited:,} claims were answered with 429: all come from one address"
        return Limit("the limit of claims", says, "rehearse without limits of an address", True)
    others = {
        kind: number
        for kind, number in kinds.items()
        if kind not in _FINE and not kind.startswith(_REFUSED)
    }
    if others:
        kind = max(others, key=lambda each: others[each])
        says = f"{sum(others.values()):,} claims failed, most with {kind}"
        return Limit("the API", says, "`coupon doctor`, and the log of the API", broke=True)
    return None


def _grown(found: Measured) -> Limit | None:
    rate = found.answers.accepted / max(found.answers.seconds, 0.001)
    enough = rate * _GROWN_SECONDS
    lags = [sample.lag for sample in found.samples]
    if grew(lags, enough):
        says = f"their lag grew to {max(lags):,} records while the claims ran"
        return Limit("the consumers", says, "more consumers, and as many partitions", broke=True)
    kept = [sample.slot_bytes for sample in found.samples]
    if grew(kept, enough * _WAL_A_CLAIM):
        says = f"the WAL that it has not read grew to {max(kept):,} bytes"
        return Limit("Debezium", says, "a faster machine for Connect: it has one task", broke=True)
    return None


def _late(found: Measured) -> Limit | None:
    late = percentile(found.answers.late_ms, 99) or 0.0
    slow = percentile(found.answers.answered_ms, 99) or 0.0
    if found.generator_cores > FULL:
        says = f"it was busy for {found.generator_cores:.0%} of a core, and sent {late:.0f} ms late"
        return Limit("the load generator", says, "several rehearsals from several machines", True)
    if late > LATE_MS or slow > SLOW_MS:
        says = (
            f"p99 of the answers was {slow:,.0f} ms, and claims were sent {late:,.0f} ms late:"
            " every connection waited for an answer"
        )
        return Limit("the API", says, "more workers, or more APIs", broke=True)
    return None


def _machine(found: Measured, symptom: Limit | None) -> Limit | None:
    if found.machine_busy is None or found.cores is None or found.machine_busy < FULL:
        return None
    ours = sum(each.cores for each in found.busy) + found.generator_cores
    others = max(0.0, found.machine_busy - ours / found.cores)
    says = f"its {found.cores} cores were busy for {found.machine_busy:.0%}"
    says += f", {others:.0%} by other programs" if others > MUCH else ", with this command"
    if symptom is not None:
        says += f"; first to suffer was {symptom.what}: {symptom.says}"
    do = "more cores, or the parts on machines of their own"
    return Limit("this machine", says, do, broke=symptom is not None)


def _busiest(found: Measured) -> Limit:
    rate = len(found.answers.answered_ms) / max(found.answers.seconds, 0.001)
    busy = next(iter(found.busy), None)
    if busy is None or busy.busiest <= 0:
        says = "nothing broke, and no process of the system can be seen from here"
        return Limit("not known", says, "read the processes' own metrics", broke=False)
    says = f"nothing broke; its busiest process used {busy.busiest:.0%} of a core"
    at = rate / busy.busiest
    return Limit(busy.part, says, "see `coupon top` while a larger rehearsal runs", False, at)
