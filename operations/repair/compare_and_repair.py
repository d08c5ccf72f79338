"""The full comparison of one coupon and its repair: request by request, then the counts."""

import time
from collections.abc import Iterator
from contextlib import closing

from coupons.errors import KeysUnreadable
from coupons.gate import Gate, GateFigures, unavailable_reason
from coupons.gate.audiences import bring_audience, has_audience, is_spoilt
from coupons.gate.rebuild import is_ahead, rebuild
from coupons.ledger.audiences import list_audiences
from coupons.ledger.connection import Connection
from coupons.ledger.requests import count_requests
from coupons.ledger.unrequested import write_unrequested
from coupons.model import Coupon
from operations.repair.repairs import NEEDS_REBUILD, Repair, RepairAction
from operations.repair.roll_forward import roll_forward
from operations.verify.comparison import (
    READ_AGAIN_AFTER_SECONDS,
    GateChanged,
    GateUnreadable,
    Progress,
    compare,
)
from operations.verify.mismatch import Mismatch, MismatchKind

MOST_BEFORE_A_REBUILD = 1_000
"""With so many requests that only a rebuild repairs, the comparison stops."""


def compare_and_repair(
    gate: Gate,
    connection: Connection,
    coupon: Coupon,
    pending_after_s: float,
    *,
    dry_run: bool = False,
    progress: Progress = lambda _: None,
) -> Iterator[Repair]:
    """Compare a coupon request by request; yield each repair after it was done, or would be.

    Safe during claims, issuing, the reconciler's passes and other comparisons. Missing marks and
    rows are written at once; one fenced rebuild at the end repairs every other mismatch. What does
    not belong at the gate, a draft or an archived coupon, is not compared.

    Raises RedisUnavailable or LedgerUnavailable.
    """
    if not coupon.belongs_at_gate:
        return
    coupon_id = coupon.coupon_id
    figures = gate.figures([coupon_id])[0]
    why = unavailable_reason(figures, coupon)
    if why is not None:
        yield from _rebuild(gate, connection, coupon_id, why, dry_run, even_if_open=False)
        return
    if figures and is_ahead(connection, coupon, figures):
        yield from _rebuild(gate, connection, coupon_id, "ahead", dry_run)
        return
    if figures and figures.version < coupon.version and (dry_run or gate.define(coupon)):
        yield Repair(RepairAction.REDEFINED, "definition", coupon_id, 0)
    if figures and _repair_audience(gate, connection, coupon_id, figures, dry_run):
        yield Repair(RepairAction.REDEFINED, "audience", coupon_id, 0)
    beyond_marks = 0
    rebuild_for: str | None = None
    try:
        with closing(compare(gate, connection, coupon_id, progress=progress)) as mismatches:
            for mismatch in mismatches:
                if mismatch.kind in NEEDS_REBUILD:
                    beyond_marks += 1
                    yield Repair(
                        RepairAction.FOR_REBUILD, str(mismatch.kind), coupon_id, 1, mismatch
                    )
                    if beyond_marks >= MOST_BEFORE_A_REBUILD and not dry_run:
                        break
                else:
                    yield _repair_request(gate, connection, mismatch, pending_after_s, dry_run)
        if beyond_marks:
            rebuild_for = "differences"
        elif _figures_are_wrong(gate, connection, coupon_id):
            rebuild_for = "figures"
    except (GateUnreadable, KeysUnreadable):
        rebuild_for = "unreadable"
    except GateChanged:
        # Its rebuild has read the ledger; what remains, the next examination finds.
        return
    if rebuild_for is not None:
        yield from _rebuild(gate, connection, coupon_id, rebuild_for, dry_run)


def _repair_audience(
    gate: Gate, connection: Connection, coupon_id: int, figures: GateFigures, dry_run: bool
) -> bool:
    """Whether the gate had another audience than the ledger, or spoilt keys of it, and has not now.

    It reads all of the list.
    """
    audiences = list_audiences(connection, [coupon_id])
    is_same = has_audience(figures, coupon_id, audiences)
    try:
        if is_same and not is_spoilt(gate, connection, coupon_id, figures.audience):
            return False
    except KeysUnreadable:
        pass  # loading replaces a key of any type
    return dry_run or bring_audience(gate, connection, coupon_id, is_spoilt=is_same)


def _rebuild(
    gate: Gate,
    connection: Connection,
    coupon_id: int,
    why: str,
    dry_run: bool,
    even_if_open: bool = True,
) -> Iterator[Repair]:
    if dry_run:
        counts = count_requests(connection, coupon_id)
        yield Repair(RepairAction.REBUILT, why, coupon_id, counts.accepted if counts else 0)
        return
    loaded = rebuild(gate, connection, coupon_id, even_if_open=even_if_open)
    action = RepairAction.LEFT if loaded is None else RepairAction.REBUILT
    yield Repair(action, why, coupon_id, loaded or 0)


def _repair_request(
    gate: Gate, connection: Connection, mismatch: Mismatch, pending_after_s: float, dry: bool
) -> Repair:
    """Write the mark or the row that is missing."""
    coupon_id, user_id, kind, in_ledger, at_gate = mismatch
    action = RepairAction.LEFT
    if kind is MismatchKind.NO_REQUEST:
        if dry or write_unrequested(connection, coupon_id, [user_id]):
            action = RepairAction.ROW_RESTORED
    elif kind is MismatchKind.MISSING_MARK and in_ledger is not None:
        if dry or gate.settle([in_ledger]):
            action = RepairAction.MARKED
    elif at_gate is not None:
        old = at_gate.requested_at_us < gate.now_us() - int(pending_after_s * 1_000_000)
        if old and (dry or roll_forward(gate, connection, coupon_id, [user_id])):
            action = RepairAction.ROLLED_FORWARD
    return Repair(action, str(kind), coupon_id, 1, mismatch)


def _figures_are_wrong(gate: Gate, connection: Connection, coupon_id: int) -> bool:
    """Whether the gate's counts are outside the ledger's before and after, twice in a row."""
    for _ in range(2):
        before = count_requests(connection, coupon_id)
        time.sleep(READ_AGAIN_AFTER_SECONDS)
        figures = gate.figures([coupon_id])[0]
        after = count_requests(connection, coupon_id)
        if before is None or after is None or figures is None:
            return False
        if (
            figures.balance
            and before.issued <= figures.issued <= after.issued
            and before.rejected <= figures.rejected <= after.rejected
        ):
            return False
    return True
