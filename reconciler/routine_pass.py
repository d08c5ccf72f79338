"""The pass over all coupons but drafts and archived ones that runs every second, and is cheap.

It finds four faults without comparing request by request, and each has one repair:
- The gate does not have a coupon, loaded it before Redis restarted, or has it under another epoch
  than the ledger accepts: fence and rebuild.
- The gate's definition is older than the ledger's: define again. It is newer: the ledger went back
  in time, so the gate's data is not valid: rebuild.
- The gate has another audience than the ledger: bring it.
- A request is pending for long. Its outcome is in the ledger: mark it. Not even its row is there:
  claim again on the user's behalf. The gate admitted the claim and the user wanted it, so an
  unfinished admission is rolled forward. Whether its first write succeeded does not matter, because
  writing it again is harmless. Nothing is guessed, and no admitted claim is taken back.

At its end the gate forgets what was archived (forgetting.py).
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from time import time_ns

import psycopg

from coupons.errors import CouponError
from coupons.gate import Gate, GateFigures, unavailable_reason
from coupons.gate.audiences import bring_audience, has_audience
from coupons.gate.rebuild import is_ahead, rebuild
from coupons.gate.refusals import GateRefused
from coupons.ledger.audiences import list_audiences
from coupons.ledger.connection import Connection
from coupons.ledger.coupons import list_readable
from coupons.ledger.requests import find_requests
from coupons.model import Coupon, CouponState
from coupons.process.logging import log_requests
from coupons.process.metrics import NOT_MEASURED
from coupons.process.tracing import Tracer
from operations.repair.failure_scope import is_of_one_coupon
from operations.repair.repairs import Repair, RepairAction
from operations.repair.roll_forward import roll_forward
from reconciler.metrics import (
    RECONCILER_FAILING_COUPONS,
    RECONCILER_OLDEST_PENDING_SECONDS,
    RECONCILER_UNAVAILABLE_COUPONS,
)
from reconciler.tracing import MARK, ROLL_FORWARD, trace_repairs
from reconciler.watch import Watch

log = logging.getLogger(__name__)

PENDING_PER_PASS = 10_000
"""More than the claims of one call, which all have the same time."""
PENDING_PER_ROUND = 500


def run_pass(
    gate: Gate,
    connection: Connection,
    pending_after_s: float,
    watch: Watch | None = None,
    tracer: Tracer | None = None,
) -> Iterator[Repair]:
    """Go once over all coupons; yield each repair after it was done.

    pending_after_s: a request that is pending for so many seconds is checked; longer than a claim
    takes. watch: notes what the pass sees, for the next one. tracer: None when tracing is off. A
    coupon that cannot be processed is yielded as FAILED, retried with growing pauses, and stops no
    other. Raises RedisUnavailable or LedgerUnavailable when all would fail; the repairs until then
    stay, and the next pass does the rest. A Redis on which no coupon can be rebuilt (GateRefused)
    is raised at the end, after everything that can be done.
    """
    watch = watch or Watch(compare_every_s=0)
    readable, unreadable = list_readable(connection)
    for coupon_id, error in unreadable.items():
        if watch.failing.may_try(coupon_id):
            yield failed(coupon_id, error, watch)
    coupons = [each for each in readable if each.belongs_at_gate]
    coupons.sort(key=lambda each: (each.coupon_id in watch.failing, *_order(each)))
    now_us = gate.now_us()
    before_us = now_us - int(pending_after_s * 1_000_000)
    coupon_ids = [coupon.coupon_id for coupon in coupons]
    audiences = list_audiences(connection)
    found = gate.figures(coupon_ids)
    oldest_us = gate.oldest_pending_us(dict(zip(coupon_ids, found, strict=True)))
    _set_metrics(coupons, found, now_us, min(oldest_us.values(), default=now_us))
    refused: GateRefused | None = None
    for coupon, figures in zip(coupons, found, strict=True):
        if not watch.failing.may_try(coupon.coupon_id):
            continue
        is_old = oldest_us.get(coupon.coupon_id, now_us) <= before_us
        try:
            pending_before_us = before_us if is_old else 0
            yield from _repair(gate, connection, coupon, figures, pending_before_us, watch, tracer)
            yield from _change_audience(gate, connection, coupon, figures, audiences)
        except GateRefused as error:
            refused = error
        except Exception as error:
            repair = failed(coupon.coupon_id, error, watch)
            if not is_of_one_coupon(error, connection):
                raise
            yield repair
        else:
            watch.failing.worked(coupon.coupon_id)
    RECONCILER_FAILING_COUPONS.set(watch.failing.among([*coupon_ids, *unreadable]))
    if refused is not None:
        raise refused
    listed = {*coupon_ids, *unreadable}
    watch.forgetting.forget(gate, connection, listed)


def failed(coupon_id: int, error: Exception, watch: Watch) -> Repair:
    """Note a coupon that could not be processed, and return its repair as FAILED."""
    watch.failing.failed(coupon_id)
    if not isinstance(error, CouponError | psycopg.Error):
        log.exception("unexpected error", extra={"coupon_id": coupon_id})
    says = str(error).strip().partition("\n")[0]
    return Repair(RepairAction.FAILED, f"{says} ({type(error).__name__})", coupon_id, 0)


def _repair(
    gate: Gate,
    connection: Connection,
    coupon: Coupon,
    figures: GateFigures | None,
    before_us: int,
    watch: Watch,
    tracer: Tracer | None,
) -> Iterator[Repair]:
    """Repair one coupon. before_us: a request has been pending since before then; 0: none."""
    why = unavailable_reason(figures, coupon)
    if why is not None or figures is None:
        loaded = rebuild(gate, connection, coupon.coupon_id, even_if_open=False)
        if loaded is not None:
            yield Repair(RepairAction.REBUILT, str(why), coupon.coupon_id, loaded)
        return
    if is_ahead(connection, coupon, figures):
        loaded = rebuild(gate, connection, coupon.coupon_id)
        if loaded is not None:
            yield Repair(RepairAction.REBUILT, "ahead", coupon.coupon_id, loaded)
        return
    watch.note(coupon, figures)
    if figures.version < coupon.version and gate.define(coupon):
        yield Repair(RepairAction.REDEFINED, "definition", coupon.coupon_id, 0)
    if before_us:
        yield from _resolve_pending(gate, connection, coupon.coupon_id, before_us, watch, tracer)
    else:
        watch.pending_from_us.pop(coupon.coupon_id, None)


def _change_audience(
    gate: Gate,
    connection: Connection,
    coupon: Coupon,
    figures: GateFigures | None,
    audiences: Mapping[int, str],
) -> Iterator[Repair]:
    """Bring the audience that an administrator has set, or an erasure has left."""
    if figures is None or unavailable_reason(figures, coupon) is not None:
        return  # its rebuild has brought it
    if has_audience(figures, coupon.coupon_id, audiences):
        return
    if bring_audience(gate, connection, coupon.coupon_id):
        yield Repair(RepairAction.REDEFINED, "audience", coupon.coupon_id, 0)


def _order(coupon: Coupon) -> tuple[bool, int]:
    """Sorts coupons that can be claimed first, the newest in front: users wait for them."""
    return coupon.state is not CouponState.OPEN, -coupon.coupon_id


def _set_metrics(
    coupons: Sequence[Coupon], found: Sequence[GateFigures | None], now_us: int, oldest_us: int
) -> None:
    pairs = zip(coupons, found, strict=True)
    unavailable = sum(unavailable_reason(figures, coupon) is not None for coupon, figures in pairs)
    RECONCILER_UNAVAILABLE_COUPONS.set(unavailable)
    # A request may have been admitted since the clock was read.
    RECONCILER_OLDEST_PENDING_SECONDS.set(max(0, now_us - oldest_us) / 1_000_000)


def clear_metrics() -> None:
    """The gate's state is not known: another reconciler is active, or a server is down."""
    RECONCILER_UNAVAILABLE_COUPONS.set(NOT_MEASURED)
    RECONCILER_FAILING_COUPONS.set(NOT_MEASURED)
    RECONCILER_OLDEST_PENDING_SECONDS.set(NOT_MEASURED)


def _resolve_pending(
    gate: Gate,
    connection: Connection,
    coupon_id: int,
    before_us: int,
    watch: Watch,
    tracer: Tracer | None,
) -> Iterator[Repair]:
    """Check some pending requests, from where the last pass stopped; at the end, from the start.

    So the pass stays cheap with a backlog of hundreds of thousands, and reaches all of them.
    """
    from_us = watch.pending_from_us.pop(coupon_id, 0)
    found = gate.pending_before(coupon_id, before_us, PENDING_PER_PASS, from_us)
    if len(found) == PENDING_PER_PASS:
        watch.pending_from_us[coupon_id] = found[-1].requested_at_us
    pending = iter(found)
    while some := list(islice(pending, PENDING_PER_ROUND)):
        started_ns = time_ns()
        known = find_requests(connection, [(coupon_id, request.user_id) for request in some])
        final = [request for request in known if request.is_final]
        if final and (marked := gate.settle(final)):
            keys = [request[:2] for request in final]
            log_requests("marked: its outcome was in Postgres", keys, logging.WARNING)
            trace_repairs(tracer, MARK, keys, started_ns)
            yield Repair(RepairAction.MARKED, "pending", coupon_id, marked)
        written = {request.user_id for request in known}
        lost = [request.user_id for request in some if request.user_id not in written]
        if lost and (rolled := roll_forward(gate, connection, coupon_id, lost)):
            keys = [(coupon_id, user_id) for user_id in lost]
            log_requests("rolled forward", keys, logging.WARNING)
            trace_repairs(tracer, ROLL_FORWARD, keys, started_ns)
            yield Repair(RepairAction.ROLLED_FORWARD, "pending", coupon_id, rolled)
