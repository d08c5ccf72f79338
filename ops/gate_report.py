"""How the gate is doing, coupon by coupon, next to what the ledger says of it."""

from datetime import UTC, datetime
from typing import Any, NamedTuple

from coupons.gate import Gate, GateFigures
from coupons.gate.scan import memory_bytes
from coupons.ledger.connection import Connection
from coupons.ledger.coupons import find_coupon, list_coupons
from coupons.model import Coupon, CouponState
from ops.reconciler.rebuilding import why_closed


class GateReport(NamedTuple):
    """Of one coupon. figures: None where the gate does not have it. memory: in bytes, estimated."""

    coupon: Coupon
    figures: GateFigures | None
    memory: int

    @property
    def why_closed(self) -> str | None:
        """None: open. missing, stale, loading or fenced: it admits nobody until it is rebuilt."""
        return why_closed(self.figures, self.coupon)

    @property
    def claims(self) -> str:
        """What becomes of a claim now, by the coupon's definition: open, or why it is refused."""
        coupon, now = self.coupon, datetime.now(UTC)
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
        """Whether it was loaded into this life of this server, and opened."""
        return self.figures is not None and self.figures.state == "open"

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        figures = self.figures
        return {
            "coupon_id": self.coupon.coupon_id,
            "state": self.coupon.state,
            "claims": self.claims,
            "gate": self.why_closed or "open",
            "run_id_matches": self.run_id_matches,
            "epoch": figures and figures.epoch,
            "ledger_epoch": self.coupon.gate_epoch,
            "places_left": figures and figures.places_left,
            "pending": figures and figures.pending,
            "issued": figures and figures.issued,
            "rejected": figures and figures.rejected,
            "memory_bytes": self.memory,
        }


def report_gate(gate: Gate, connection: Connection, coupon_id: int | None) -> list[GateReport]:
    """Of all coupons, or of one; empty when there is none. Raises Gate- or LedgerUnavailable."""
    if coupon_id is None:
        coupons = list_coupons(connection)
    else:
        coupons = [each for each in [find_coupon(connection, coupon_id)] if each]
    found = gate.figures([coupon.coupon_id for coupon in coupons])
    return [
        GateReport(coupon, figures, memory_bytes(gate, coupon.coupon_id, figures) if figures else 0)
        for coupon, figures in zip(coupons, found, strict=True)
    ]
