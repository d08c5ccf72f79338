"""The terms of the domain as types: coupon, claim, issue request, admission."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import NamedTuple

from coupons.ids import REHEARSAL_GROUP, request_id_text
from coupons.rooms import WaitingRoom


class Status(StrEnum):
    """The status of an issue request; ISSUED and REJECTED are final."""

    REQUESTED = "REQUESTED"
    ISSUED = "ISSUED"
    REJECTED = "REJECTED"


class CouponState(StrEnum):
    """The state that an administrator has set; closed is final."""

    DRAFT = "draft"
    """Nobody but administrators sees it, and the gate does not have it."""
    OPEN = "open"
    PAUSED = "paused"
    CLOSED = "closed"
    ARCHIVED = "archived"
    """Closed, settled and put away, for good. The gate forgets it."""


class StandbyList(StrEnum):
    """The standby list of a coupon that has one."""

    EMPTY = "empty"
    WAITING = "waiting"
    """Somebody is in line: the gate admits nobody else."""
    ENDING = "ending"
    """It was switched off, and some entries of the line are not ended yet."""


class IssuedState(StrEnum):
    """The state of an issued coupon. Only the use of a coupon can be cancelled."""

    ACTIVE = "active"
    USED = "used"
    EXPIRED = "expired"
    REVOKED = "revoked"


class IssuedChange(StrEnum):
    """What somebody may do with an issued coupon."""

    USE = "use"
    CANCEL_USE = "cancel_use"
    REVOKE = "revoke"


class ChangeOutcome(StrEnum):
    """What came of it: it was changed, or why it was not."""

    DONE = "done"
    REPEATED = "repeated"
    """It was done before, by the same order or by another revocation."""
    ACTIVE = "active"
    """It is not used, so that no use can be cancelled."""
    USED = "used"
    OTHER_ORDER = "other_order"
    """Another order uses it."""
    ORDER_CANCELLED = "order_cancelled"
    """The order has used it and cancelled that: each order uses it once."""
    EXPIRED = "expired"
    REVOKED = "revoked"


class Refusal(StrEnum):
    """Why the gate refuses a claim."""

    NOT_OPEN = "not_open"
    CLOSED = "closed"
    PAUSED = "paused"
    SOLD_OUT = "sold_out"
    NOT_ELIGIBLE = "not_eligible"
    NOT_YOUR_TURN = "not_your_turn"
    """The coupon has a waiting room, and the user has not arrived, or has to wait."""


class GateState(StrEnum):
    """Whether the gate admits claims of a coupon. In every state but OPEN it is unavailable."""

    OPEN = "open"
    MISSING = "missing"
    """The gate does not have the coupon: there is none, or Redis lost it."""
    STALE = "stale"
    """Redis is another server, or has been restarted, since the coupon was loaded."""
    LOADING = "loading"
    """A rebuild has begun and has not opened the coupon: it is running, or was given up."""
    FENCED = "fenced"
    """The ledger accepts claims of another epoch than the gate admits under."""
    UNREADABLE = "unreadable"
    """Redis holds something that the gate does not write: a key of another type, or a bad value."""
    REFUSED = "refused"
    """A server takes no writes, so that no claim is accepted."""


class Claim(NamedTuple):
    """One user asks for one coupon. groups: the user's, for coupons that require a group."""

    coupon_id: int
    user_id: int
    groups: tuple[str, ...] = ()


class Admission(NamedTuple):
    """The gate admitted the claim: one of the stock is reserved until its request is final.

    requested_at_us: microseconds since 1970 by the Redis server's clock.
    epoch: the coupon's gate_epoch; the ledger accepts the claim under no other.
    repeated: this claim was tried before, so its reservation must not be given back.
    """

    coupon_id: int
    user_id: int
    requested_at_us: int
    epoch: int
    repeated: bool


class IssueRequest(NamedTuple):
    """A claim that was accepted, with its status."""

    coupon_id: int
    user_id: int
    requested_at_us: int
    status: Status
    reason: str | None = None

    @property
    def id(self) -> str:
        """Its UUID; the issued coupon has the same."""
        return request_id_text(self.coupon_id, self.user_id)

    @property
    def is_final(self) -> bool:
        """Whether its status cannot change any more."""
        return self.status is not Status.REQUESTED


class Terms(NamedTuple):
    """How long an issued coupon is valid, and data for the shop. None: no such limit, no data.

    discount, metadata: JSON, as the ledger writes it. Nothing here interprets it.
    """

    valid_for_days: int | None
    valid_until: datetime | None
    discount: str | None
    metadata: str | None


@dataclass(frozen=True, slots=True)
class Coupon:
    """A campaign, as the ledger has it. Times are aware datetimes in UTC.

    terms: None where they were not read, as gates and checks do not need them. standby: None: it
    has no standby list. retired_at: since when its requests are in files, and not in the ledger;
    None: they are there, or not read.
    """

    coupon_id: int
    name: str
    total_quantity: int
    issued_count: int
    rejected_count: int
    issue_starts_at: datetime
    issue_ends_at: datetime | None
    state: CouponState
    eligible_group: str | None
    version: int
    gate_epoch: int
    created_at: datetime
    terms: Terms | None = field(default=None, compare=False)
    room: WaitingRoom | None = None
    standby: StandbyList | None = None
    retired_at: datetime | None = field(default=None, compare=False)

    @property
    def belongs_at_gate(self) -> bool:
        """False for a draft, which is not there yet, and for an archived one, which it forgets."""
        return self.state not in (CouponState.DRAFT, CouponState.ARCHIVED)

    @property
    def state_at_gate(self) -> str:
        """Why the gate refuses every new claim; open: it does not.

        What comes back while somebody waits is theirs: for everybody else it is sold out.
        """
        if self.state is CouponState.ARCHIVED:
            return str(CouponState.CLOSED)
        return str(Refusal.SOLD_OUT if self.has_line else self.state)

    @property
    def has_line(self) -> bool:
        """Whether it is open, and somebody waits."""
        return self.state is CouponState.OPEN and self.standby is StandbyList.WAITING

    @property
    def is_rehearsal(self) -> bool:
        """Whether it is for synthetic users only. No other coupon may have their group."""
        return self.eligible_group == REHEARSAL_GROUP

    def is_shown_to(self, groups: Collection[str]) -> bool:
        """Whether users with these groups may know of it: nobody of a draft."""
        is_among = not self.is_rehearsal or REHEARSAL_GROUP in groups
        return self.state is not CouponState.DRAFT and is_among


class RequestCounts(NamedTuple):
    """The counts of one coupon, each counted from the ledger's rows by itself."""

    total_quantity: int
    accepted: int
    issued: int
    rejected: int
    in_flight: int
    issued_count: int
    rejected_count: int

    @property
    def balance(self) -> bool:
        """Whether the counts are consistent.

        accepted = issued + rejected + in flight, issued <= total, and the coupon's row agrees.
        """
        settled = self.issued + self.rejected
        kept = (self.issued_count, self.rejected_count)
        return (
            self.accepted == settled + self.in_flight
            and self.issued <= self.total_quantity
            and kept == (self.issued, self.rejected)
        )


LARGEST_QUANTITY = 1_000_000_000
"""The largest stock of a coupon; the table's constraint says the same."""

EARLIEST_MOMENT = datetime(2000, 1, 1, tzinfo=UTC)
LATEST_MOMENT = datetime(9999, 12, 31, tzinfo=UTC)
"""A coupon's window lies between these two; the table's constraints say the same.

Postgres has years that Python does not have, and a time at the edge of Python's years leaves them
in another time zone.
"""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def to_microseconds(moment: datetime) -> int:
    """Microseconds since 1970 of an aware datetime, exactly (no float in between)."""
    delta = moment - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


def from_microseconds(moment_us: int) -> datetime:
    """The aware datetime in UTC of microseconds since 1970, exactly."""
    seconds, microseconds = divmod(moment_us, 1_000_000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=microseconds)
