"""The values of a trace: the stages of one request, each with its time and a sentence."""

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from coupons.ids import request_id_text
from coupons.model import Status


class Stage(StrEnum):
    """The stages in order. FINAL stands for ISSUED or REJECTED until the request is final.

    Those after MARKED are of the issued coupon, and come in any order.
    """

    ADMITTED = "admitted"
    ACCEPTED = "accepted"
    CAPTURED = "in Kafka"
    DEAD_LETTER = "dead letter"
    FINAL = "final"
    ISSUED = "issued"
    REJECTED = "rejected"
    MARKED = "marked"
    USED = "used"
    USE_CANCELLED = "use cancelled"
    REVOKED = "revoked"
    EXPIRED = "expired"


class StageState(StrEnum):
    """Whether a request has reached a stage."""

    REACHED = "reached"
    WAITING = "waiting"
    UNKNOWN = "unknown"
    """A part does not answer, or what it had is gone."""


class Step(NamedTuple):
    """One stage. at: in UTC; None: not reached, or its time is not recorded."""

    stage: Stage
    state: StageState
    says: str
    at: datetime | None = None


class Trace(NamedTuple):
    """A request, its steps in order, and what else is known.

    status: by the ledger, else by the gate; None: there is no request, or it is not known. steps:
    empty when there is definitely no request. notes: what is known from the coupon then.
    """

    coupon_id: int
    user_id: int
    status: Status | None
    steps: list[Step]
    notes: list[str]

    @property
    def request_id(self) -> str:
        """The id that the request has, or would have."""
        return request_id_text(self.coupon_id, self.user_id)

    @property
    def unknown(self) -> list[Step]:
        """The steps that could not be read."""
        return [step for step in self.steps if step.state is StageState.UNKNOWN]
