"""What the API answers with. Fields have the names of docs/reference/openapi.json.

Times are aware datetimes, ids of coupons and users are integers. States, statuses and kinds stay
text, and fields of a newer API are left out: a client keeps working when the API gets more of them.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

REQUESTED = "REQUESTED"


@dataclass(frozen=True, slots=True)
class IssueRequest:
    """A claim that was accepted. status: REQUESTED, and finally ISSUED or REJECTED.

    issued_coupon_id: once it is ISSUED. reason: of a rejection. requests_ahead, estimated_seconds:
    read while it is REQUESTED; None: not known.
    """

    id: str
    coupon_id: int
    user_id: int
    status: str
    requested_at: datetime
    issued_coupon_id: str | None
    reason: str | None
    requests_ahead: int | None
    estimated_seconds: int | None

    @property
    def is_final(self) -> bool:
        """Whether the status never changes again."""
        return self.status != REQUESTED


@dataclass(frozen=True, slots=True)
class TimelineStep:
    """What happened to a request, or to its issued coupon. at: None: not recorded."""

    step: str
    at: datetime | None
    order_reference: str | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class Timeline:
    """The life of a request, or why there is none. status: None: there is no request.

    refusal: without a request, why a claim would be refused now; None: it would be admitted.
    hidden_changes: how many earlier ones the steps leave out. advice: what to do now, for people.
    """

    request_id: str
    coupon_id: int
    user_id: int
    status: str | None
    steps: tuple[TimelineStep, ...]
    hidden_changes: int
    refusal: str | None
    opens_at: datetime | None
    advice: str


@dataclass(frozen=True, slots=True)
class WaitingRoom:
    """How many users may claim a second, from the opening on. order: arrival or lot."""

    admits_per_second: int
    order: str


@dataclass(frozen=True, slots=True)
class Lot:
    """The lot of a waiting room: its numbers, and the key that decides their positions."""

    size: int
    key: str


@dataclass(frozen=True, slots=True)
class RoomSettings:
    """A coupon's waiting room; None: it has none. lot: None: none is drawn."""

    waiting_room: WaitingRoom | None
    lot: Lot | None


@dataclass(frozen=True, slots=True)
class Waiting:
    """A user in a waiting room. position, people_before, turn_at: None: the lot is not drawn yet.

    ticket: keep it, and give it to each `arrive`. arrived: how many have arrived so far.
    """

    coupon_id: int
    user_id: int
    is_your_turn: bool
    position: int | None
    people_before: int | None
    estimated_seconds: int | None
    turn_at: datetime | None
    opens_at: datetime
    lot_at: datetime | None
    arrived: int
    ticket: str


@dataclass(frozen=True, slots=True)
class Coupon:
    """A coupon. version: what `change_coupon` has to be given.

    places_left: how many claims would still be admitted; None: not known now. is_at_gate: whether
    claims are decided by this version already; None: not known now, or a draft or archived.
    retired_at: since when its requests and issued coupons are not there any more; None: they are.
    """

    id: int
    name: str
    total_quantity: int
    issue_starts_at: datetime
    issue_ends_at: datetime | None
    state: str
    is_scheduled: bool
    eligible_group: str | None
    valid_for_days: int | None
    valid_until: datetime | None
    discount: dict[str, Any] | None
    metadata: dict[str, str] | None
    issued_count: int
    rejected_count: int
    places_left: int | None
    created_at: datetime
    version: int
    is_at_gate: bool | None
    waiting_room: WaitingRoom | None
    retired_at: datetime | None


@dataclass(frozen=True, slots=True)
class UnreadableCoupon:
    """A coupon of a list whose row the API cannot read."""

    id: int


@dataclass(frozen=True, slots=True)
class FieldChange:
    """What a field of a coupon was, and what it became."""

    from_: Any
    to: Any


@dataclass(frozen=True, slots=True)
class CouponAction:
    """What was done to a coupon, and by whom. changes: by field; None: it was no change."""

    id: int
    acted_at: datetime
    acted_by: str
    login: str | None
    action: str
    result: str
    detail: str
    changes: dict[str, FieldChange] | None


@dataclass(frozen=True, slots=True)
class IssuedCoupon:
    """A user's own coupon. state: active, used, expired or revoked.

    expires_at: None: never. order_reference: of the order that uses it. reason: of a revocation.
    """

    id: str
    coupon_id: int
    coupon_name: str
    user_id: int
    requested_at: datetime
    issued_at: datetime
    state: str
    expires_at: datetime | None
    changed_at: datetime | None
    order_reference: str | None
    reason: str | None
    discount: dict[str, Any] | None
    metadata: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Change:
    """A change of an issued coupon. number: from 1, without gaps."""

    number: int
    from_state: str
    to_state: str
    changed_at: datetime
    changed_by: str
    order_reference: str | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class Codes:
    """A coupon's codes in numbers. missing: what its pool needs for the total quantity."""

    kind: str
    given: int
    free: int
    missing: int


@dataclass(frozen=True, slots=True)
class RefusedLine:
    """A line of a file of codes or users that was left out, and why."""

    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class Upload:
    """What became of a file of codes. reasons: how many lines were refused, by reason.

    header: the first line, when it was left out as a header.
    """

    header: str | None
    added: int
    refused: int
    reasons: dict[str, int]
    first_refused: tuple[RefusedLine, ...]


@dataclass(frozen=True, slots=True)
class Erasure:
    """The proof that a user was erased; it does not name the user. counts: rows, by table.

    at_gate_since: None: the reconciler is about to end it. log_forgets_at: when the request topic
    and the events have deleted their last record of the user; None: never. open_exports: files of
    retired coupons that may still name the user; None: an older API.
    """

    id: str
    erased_at: datetime
    asked_by: str
    counts: dict[str, int]
    at_gate_since: datetime | None
    log_forgets_at: datetime | None
    repeated: int
    open_exports: int | None


@dataclass(frozen=True, slots=True)
class DiscardedDraft:
    """A draft that is gone. codes: of its pool; listed_users: of its list, when it had one."""

    id: int
    discarded_at: datetime
    codes: int
    listed_users: int


@dataclass(frozen=True, slots=True)
class RemovedCodes:
    """How many codes of a pool were removed."""

    removed: int


@dataclass(frozen=True, slots=True)
class GivenCode:
    """The code of a user's own coupon."""

    code: str
    issued_coupon_id: str
    coupon_id: int


@dataclass(frozen=True, slots=True)
class FoundCode:
    """The issued coupon that a code belongs to."""

    code: str
    issued_coupon_id: str
    coupon_id: int
    state: str
    expires_at: datetime | None
    discount: dict[str, Any] | None
