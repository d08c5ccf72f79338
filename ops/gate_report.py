"""How the gate is doing, coupon by coupon, next to what the ledger says of it."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from coupons.gate import Gate, GateFigures
from coupons.gate.scan import memory_bytes
from coupons.model import Coupon
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
    def run_id_matches(self) -> bool:
        """Whether it was loaded into this life of this server, and opened."""
        return self.figures is not None and self.figures.state == "open"

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        figures = self.figures
        return {
            "coupon_id": self.coupon.coupon_id,
            "state": self.coupon.state,
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


def report_gate(gate: Gate, coupons: Sequence[Coupon]) -> list[GateReport]:
    """Of these coupons. Raises GateUnavailable."""
    found = gate.figures([coupon.coupon_id for coupon in coupons])
    return [
        GateReport(coupon, figures, memory_bytes(gate, coupon.coupon_id, figures) if figures else 0)
        for coupon, figures in zip(coupons, found, strict=True)
    ]
