"""Compares coupons request by request when they are due, on a thread beside the passes."""

import logging
from contextlib import closing
from threading import Event

from coupons.errors import CouponError
from coupons.gate import Gate
from coupons.ids import request_id_text
from coupons.ledger.connection import connect_ledger
from coupons.ledger.coupons import find_coupon
from coupons.ledger.silent_sessions import end_when_silent
from operations.repair.compare_and_repair import compare_and_repair
from operations.repair.repairs import Repair, RepairAction
from reconciler.metrics import RECONCILER_COMPARISONS, RECONCILER_MISMATCHES, RECONCILER_REPAIRS
from reconciler.watch import Watch

log = logging.getLogger(__name__)

CHECK_EVERY_SECONDS = 0.5
ANSWER_TIMEOUT_SECONDS = 120.0
"""Counting the rows of a large coupon takes seconds."""


def run_comparer(
    gate: Gate,
    database_url: str,
    pending_after_s: float,
    silent_s: float,
    watch: Watch,
    stop: Event,
) -> None:
    """Compare the coupons that `watch` reports as due, until `stop` is set.

    silent_s: after so many silent seconds the server ends a session of this thread and frees its
    locks.

    It has its own thread and connection: comparing a large coupon takes a minute, and the rebuild
    of a gate that was flushed meanwhile must not wait for it.
    """
    while not stop.wait(CHECK_EVERY_SECONDS):
        due = watch.take_due()
        if due is None:
            continue
        coupon_id, why = due
        RECONCILER_COMPARISONS.labels(why).inc()
        try:
            _compare(gate, database_url, coupon_id, pending_after_s, silent_s)
        except CouponError as error:
            log.warning("could not compare: %s", error, extra={"coupon_id": coupon_id})
        except Exception:
            # Any error concerns this coupon only: the thread has to compare the others too.
            log.exception("could not compare", extra={"coupon_id": coupon_id})


def _compare(
    gate: Gate, database_url: str, coupon_id: int, pending_after_s: float, silent_s: float
) -> None:
    with closing(
        connect_ledger(database_url, "coupon-comparer", ANSWER_TIMEOUT_SECONDS)
    ) as connection:
        end_when_silent(connection, silent_s)
        coupon = find_coupon(connection, coupon_id)
        if coupon is not None:
            for repair in compare_and_repair(gate, connection, coupon, pending_after_s):
                record_repair(repair)


def record_repair(repair: Repair) -> None:
    """Count and log a repair."""
    about: dict[str, object] = {"coupon_id": repair.coupon_id, "count": repair.requests}
    mismatch = repair.mismatch
    if repair.action is RepairAction.FAILED:
        log.error("could not reconcile the coupon, will try again: %s", repair.why, extra=about)
        return
    if mismatch is not None:
        RECONCILER_MISMATCHES.labels(mismatch.kind).inc()
        about |= {"user_id": mismatch.user_id, "mismatch": str(mismatch.kind)}
        about["request_id"] = request_id_text(repair.coupon_id, mismatch.user_id)
    if repair.action in (RepairAction.LEFT, RepairAction.FOR_REBUILD):
        log.warning("the gate differs from the ledger: %s", repair.why, extra=about)
        return
    RECONCILER_REPAIRS.labels(repair.kind).inc(_repaired(repair))
    log.warning("repaired the gate: %s", repair.kind, extra=about)


def _repaired(repair: Repair) -> int:
    """One for a repair of a coupon, else the number of requests."""
    is_of_coupon = repair.action in (RepairAction.REBUILT, RepairAction.REDEFINED)
    return 1 if is_of_coupon else repair.requests
