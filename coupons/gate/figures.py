"""Counts of a coupon at the gate, all of one moment."""

from enum import StrEnum
from typing import NamedTuple

from coupons.errors import GateRefused


class GateState(StrEnum):
    """Whether the gate would admit somebody, and why not."""

    OPEN = "open"
    LOADING = "loading"
    """A rebuild has begun and has not opened it: one is at work, or one was given up."""
    STALE = "stale"
    """Redis is another server, or another life of it, than the coupon was loaded into."""
    UNREADABLE = "unreadable"
    """What Redis holds is not what the gate writes: a key of another type, a value no number."""


class GateFigures(NamedTuple):
    """Of one coupon, as the gate has it now."""

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

    @property
    def places_left(self) -> int:
        """What the gate would still admit."""
        return max(0, self.total - self.issued - self.pending)

    @property
    def balance(self) -> bool:
        """Whether everybody who was admitted is somewhere: each is counted by itself."""
        settled = self.issued + self.rejected
        return self.admitted == self.compensated + self.pending + settled


_UNREADABLE = GateFigures(0, 0, 0, 0, 0, 0, 0, 0, GateState.UNREADABLE)


def read_figures(answer: str | list[str | int] | GateRefused) -> GateFigures | None:
    """What figures.lua answered; None: the gate does not have the coupon."""
    if isinstance(answer, str):
        return None
    if isinstance(answer, GateRefused):
        return _UNREADABLE
    try:
        return _figures(answer)
    except (TypeError, ValueError):
        return _UNREADABLE


def _figures(answer: list[str | int]) -> GateFigures:
    state, epoch, version, shards, *counts = answer
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
    )
