"""The counts of a coupon at the gate, all of the same moment."""

from typing import NamedTuple

from coupons.errors import KeysUnreadable
from coupons.model import Coupon, GateState


class GateFigures(NamedTuple):
    """The counts and the state of one coupon at the gate. audience: "": everybody."""

    epoch: int
    version: int
    total: int
    admitted: int
    compensated: int
    pending: int
    issued: int
    rejected: int
    state: GateState = GateState.OPEN
    shards: int = 1
    audience: str = ""

    @property
    def places_left(self) -> int:
        """How many claims the gate would still admit."""
        return max(0, self.total - self.issued - self.pending)

    @property
    def balance(self) -> bool:
        """Whether admitted = compensated + pending + settled; each is counted by itself."""
        settled = self.issued + self.rejected
        return self.admitted == self.compensated + self.pending + settled


def unavailable_reason(figures: GateFigures | None, coupon: Coupon) -> GateState | None:
    """Why the gate cannot admit claims of the coupon until it is rebuilt; None when it can.

    None also for what does not belong there: a draft, which it gets when it is opened, and an
    archived coupon, which it forgets. figures: the gate's; None when it does not have the coupon.
    coupon: as the ledger has it.
    """
    if not coupon.belongs_at_gate:
        return None
    if figures is None:
        return GateState.MISSING
    if figures.state is not GateState.OPEN:
        return figures.state
    return None if figures.epoch == coupon.gate_epoch else GateState.FENCED


_UNREADABLE = GateFigures(0, 0, 0, 0, 0, 0, 0, 0, GateState.UNREADABLE)


def read_figures(answer: str | list[str | int] | KeysUnreadable) -> GateFigures | None:
    """The result of figures.lua; None: the gate does not have the coupon."""
    if isinstance(answer, str):
        return None
    if isinstance(answer, KeysUnreadable):
        return _UNREADABLE
    try:
        return _figures(answer)
    except (TypeError, ValueError):
        return _UNREADABLE


def _figures(answer: list[str | int]) -> GateFigures:
    state, epoch, version, shards, *counts, audience = answer
    total, admitted, compensated, pending, issued, rejected = map(int, counts)
    return GateFigures(
        epoch=int(epoch),
        version=int(version),
        total=total,
        admitted=admitted,
        compensated=compensated,
        pending=pending,
        issued=issued,
        rejected=rejected,
        state=GateState(str(state)),
        shards=int(shards),
        audience=str(audience),
    )
