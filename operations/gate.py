"""The gate: the state of each coupon compared with the ledger, and rebuilding one."""

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from coupons.gate import Gate, GateFigures, unavailable_reason
from coupons.gate.rebuild import rebuild
from coupons.gate.refusals import GateRefused
from coupons.gate.scan import memory_bytes
from coupons.gate.write_check import check_takes_writes as check_gate_serving
from coupons.ledger.connection import Connection
from coupons.ledger.refusals import LedgerRefused
from coupons.ledger.write_check import check_takes_writes as check_ledger_serving
from coupons.model import Coupon, CouponState, GateState
from operations.session import Session


class GateReport(NamedTuple):
    """One coupon. figures: None: the gate does not have it. memory: bytes, estimated.

    refused: why Redis or Postgres accepts no writes, so that no claim is accepted; None: they do.
    """

    coupon: Coupon
    figures: GateFigures | None
    memory: int
    refused: str | None = None

    @property
    def unavailable_reason(self) -> GateState | None:
        """None: available. missing, stale, loading, fenced, unreadable: it has to be rebuilt.

        refused: it is loaded, and a server accepts no writes. None for what does not belong there:
        a draft, and an archived coupon.
        """
        return unavailable_reason(self.figures, self.coupon) or (
            GateState.REFUSED if self.refused else None
        )

    @property
    def claims(self) -> str:
        """What a claim gets now by the coupon's definition: open, or why it is refused."""
        coupon, now = self.coupon, datetime.now(UTC)
        if coupon.state is CouponState.ARCHIVED:
            return "closed"
        if coupon.state is not CouponState.OPEN:
            return str(coupon.state)
        if now < coupon.issue_starts_at:
            return "not open yet"
        if coupon.issue_ends_at is not None and now >= coupon.issue_ends_at:
            return "over"
        if self.figures is not None and not self.figures.places_left:
            return "sold out"
        return "open"

    @property
    def run_id_matches(self) -> bool:
        """Whether it was loaded since the server started."""
        return self.figures is not None and self.figures.state == "open"

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        figures = self.figures
        return {
            "coupon_id": self.coupon.coupon_id,
            "state": self.coupon.state,
            "claims": self.claims,
            "gate": self.unavailable_reason or ("open" if figures else None),
            "refused": self.refused,
            "run_id_matches": self.run_id_matches,
            "epoch": figures and figures.epoch,
            "ledger_epoch": self.coupon.gate_epoch,
            "places_left": figures and figures.places_left,
            "pending": figures and figures.pending,
            "issued": figures and figures.issued,
            "rejected": figures and figures.rejected,
            "memory_bytes": self.memory,
        }


class RebuildResult(NamedTuple):
    """requests: how many were loaded; None: it was not rebuilt."""

    coupon_id: int
    requests: int | None
    seconds: float


def report_gate(gate: Gate, connection: Connection, coupons: Sequence[Coupon]) -> list[GateReport]:
    """The reports of these coupons. Raises RedisUnavailable or LedgerUnavailable."""
    found = gate.figures([coupon.coupon_id for coupon in coupons])
    refused = why_refused(gate, connection)
    return [
        GateReport(
            coupon,
            figures,
            memory_bytes(gate, coupon.coupon_id, figures) if figures else 0,
            refused,
        )
        for coupon, figures in zip(coupons, found, strict=True)
    ]


def why_refused(gate: Gate, connection: Connection) -> str | None:
    """Why a server accepts no writes; None: both do. Raises Gate- or LedgerUnavailable."""
    try:
        check_gate_serving(gate.client)
        check_ledger_serving(connection)
    except (GateRefused, LedgerRefused) as error:
        return str(error)
    return None


def rebuild_coupon(
    session: Session, coupon_id: int, progress: Callable[[int], None], as_operator: bool = False
) -> RebuildResult:
    """Load a coupon from the ledger again. progress: called with the requests loaded so far.

    as_operator: the session has the rights of coupon_ops; otherwise those of coupon_reconciler.
    Not rebuilt: another rebuild runs, or Redis restarted meanwhile. Raises RedisUnavailable or
    LedgerUnavailable.
    """
    began = time.monotonic()
    loaded = rebuild(session.gate, session.connection, coupon_id, progress, as_operator=as_operator)
    return RebuildResult(coupon_id, loaded, time.monotonic() - began)
