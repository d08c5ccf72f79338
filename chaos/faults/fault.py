"""A fault, and the surroundings in which faults are caused."""

import random
from collections.abc import Callable
from dataclasses import dataclass

from chaos.history import History
from chaos.target import Target


def nothing() -> None:
    """The `heal` of a fault that ends by itself."""


@dataclass(frozen=True)
class Fault:
    """A fault that can be caused and healed.

    name: for tables and options. sentence: what happens, for an operator. lasting: whether it
    continues until it is healed. sessions: how long it lasts, at least and at most, in sessions of
    a consumer; None: as long as its incident.
    """

    name: str
    sentence: str
    cause: Callable[[], None]
    heal: Callable[[], None] = nothing
    lasting: bool = True
    sessions: tuple[float, float] | None = None


@dataclass(frozen=True)
class FaultContext:
    """What faults need. coupon_id: of a coupon that does not sell out, for claims of a fault."""

    target: Target
    history: History
    coupon_id: int
    rng: random.Random
