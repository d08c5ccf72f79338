"""What gate and ledger must hold and answer: a few dicts in place of two servers."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from coupons.gate import Decision
from coupons.ledger.issued_coupons import Outcome
from coupons.model import (
    Admission,
    Claim,
    CouponState,
    GateState,
    IssueRequest,
    Refusal,
    Status,
)
from tests.model.expected_line import ExpectedLine
from tests.model.expected_lives import ExpectedLives

GROUP = "staff"


@dataclass(frozen=True)
class Definition:
    """Of a coupon. window: before, within or after the time in which it is issued.

    has_line: while it is open, new claims are refused, because somebody waits. has_room: only who
    has arrived in the waiting room may claim.
    """

    total: int
    state: CouponState = CouponState.OPEN
    window: str = "within"
    version: int = 0
    has_line: bool = False
    has_room: bool = False


class Place(NamedTuple):
    """One that the gate holds for a user. retried: nobody may give it back."""

    requested_at_us: int
    retried: bool


@dataclass
class ExpectedCoupon:
    """One coupon, on both sides. gate_epoch: None while the gate must admit nobody."""

    coupon_id: int
    group: str | None
    definition: Definition
    at_gate: Definition = field(init=False)
    epoch: int
    gate_epoch: int | None = field(init=False)
    admitted: int = 0
    compensated: int = 0
    pending: dict[int, Place] = field(default_factory=dict)
    marked: dict[int, IssueRequest] = field(default_factory=dict)
    rows: dict[int, int] = field(default_factory=dict)
    final: dict[int, IssueRequest] = field(default_factory=dict)
    audience: frozenset[int] | None = None
    """The users of its list; None: everybody."""
    gate_audience: frozenset[int] | None = None
    lives: ExpectedLives = field(default_factory=ExpectedLives)
    line: ExpectedLine = field(default_factory=ExpectedLine)
    has_room: bool = False
    arrived: set[int] = field(default_factory=set)
    """Users whose number the gate has."""
    erased: set[tuple[int, int]] = field(default_factory=set)
    """User and requested_at_us of requests that were erased."""
    replaced: dict[int, int] = field(default_factory=dict)
    """By user, the id that the gate does not have yet."""

    def __post_init__(self) -> None:
        self.at_gate = self.definition
        self.gate_epoch = None if self.is_draft else self.epoch

    @property
    def is_draft(self) -> bool:
        """Whether the gate must not have it yet."""
        return self.definition.state is CouponState.DRAFT

    @property
    def is_archived(self) -> bool:
        """Whether nobody loads it any more."""
        return self.definition.state is CouponState.ARCHIVED

    @property
    def is_rebuilt(self) -> bool:
        """Whether the gate has to have it."""
        return not self.is_draft and not self.is_archived

    def forget(self) -> None:
        """The gate has nothing of it any more."""
        self.gate_epoch, self.marked, self.pending = None, {}, {}

    @property
    def is_final(self) -> bool:
        """Whether nothing changes its definition any more."""
        return self.definition.state in (CouponState.CLOSED, CouponState.ARCHIVED)

    @property
    def is_in_flight(self) -> bool:
        """Whether a request or an admitted claim, as far as both sides know, is not final."""
        at_gate = self.pending if self.gate_epoch == self.epoch else {}
        return bool(at_gate) or len(self.rows) > len(self.final)

    def decide(self, claim: Claim, decision: Decision) -> None:
        """The gate's decision was the right one; remember what it changed."""
        user_id = claim.user_id
        if self.gate_epoch is None:
            assert isinstance(decision, GateState), (claim, decision)
        elif user_id in self.marked:
            assert decision == self.marked[user_id]
        elif user_id in self.pending:
            place = self.pending[user_id]
            self.pending[user_id] = place._replace(retried=True)
            moment = place.requested_at_us
            assert decision == Admission(self.coupon_id, user_id, moment, self.gate_epoch, True)
        elif refusal := self._refusal(claim):
            assert decision is refusal, (claim, decision, refusal)
        else:
            assert isinstance(decision, Admission), (claim, decision)
            assert (decision.epoch, decision.repeated) == (self.gate_epoch, False), decision
            self.pending[user_id] = Place(decision.requested_at_us, False)
            self.admitted += 1

    def _refusal(self, claim: Claim) -> Refusal | None:
        definition = self.at_gate
        if definition.state is CouponState.ARCHIVED:
            return Refusal.CLOSED
        if definition.state is not CouponState.OPEN:
            return Refusal(str(definition.state))
        if definition.has_line:
            return Refusal.SOLD_OUT
        if definition.window != "within":
            return Refusal.NOT_OPEN if definition.window == "before" else Refusal.CLOSED
        if self.group is not None and self.group not in claim.groups:
            return Refusal.NOT_ELIGIBLE
        if self.gate_audience is not None and claim.user_id not in self.gate_audience:
            return Refusal.NOT_ELIGIBLE
        if self.places_left <= 0:
            return Refusal.SOLD_OUT
        is_too_early = definition.has_room and claim.user_id not in self.arrived
        return Refusal.NOT_YOUR_TURN if is_too_early else None

    @property
    def places_left(self) -> int:
        """What the gate may still admit."""
        return self.at_gate.total - self.gate_issued - len(self.pending)

    @property
    def gate_issued(self) -> int:
        """How many are marked as issued."""
        return sum(each.status is Status.ISSUED for each in self.marked.values())

    @property
    def issued(self) -> int:
        """How many are issued in the ledger."""
        return sum(each.status is Status.ISSUED for each in self.final.values())

    @property
    def held(self) -> int:
        """How many requests of the ledger are issued or in flight."""
        rejected = sum(each.status is Status.REJECTED for each in self.final.values())
        return len(self.rows) - rejected

    def accept(self, admissions: Iterable[Admission]) -> bool:
        """Their rows are written, unless their epoch is over."""
        admissions = list(admissions)
        if admissions[0].epoch != self.epoch:
            return False
        for admission in admissions:
            self.rows.setdefault(admission.user_id, admission.requested_at_us)
        return True

    def give_back(self, admissions: Iterable[Admission]) -> None:
        """Their places, where nobody tried the same claim again."""
        for admission in admissions:
            ours = Place(admission.requested_at_us, False)
            if (
                admission.epoch == self.gate_epoch
                and not admission.repeated
                and self.pending.get(admission.user_id) == ours
            ):
                assert admission.user_id not in self.rows, f"a place of a row: {admission}"
                del self.pending[admission.user_id]
                self.compensated += 1

    def issue(self, events: Iterable[IssueRequest]) -> list[Outcome]:
        """The outcomes, in the order of the requests as far as the total goes."""
        outcomes = []
        for event in sorted(set(events), key=lambda each: (each.requested_at_us, each.user_id)):
            known = self.final.get(event.user_id)
            fits = self.issued < self.definition.total
            status, reason = (Status.ISSUED, None) if fits else (Status.REJECTED, "sold_out")
            final = known or event._replace(status=status, reason=reason)
            self.final[event.user_id] = final
            outcomes.append(Outcome(final, fresh=known is None))
        self.lives.issue(
            {user for user, final in self.final.items() if final.status is Status.ISSUED}
        )
        return outcomes

    def mark(self, requests: Iterable[IssueRequest]) -> int:
        """Settle them at an open gate; how many marks are new."""
        new = 0
        for request in requests:
            if request.user_id not in self.marked:
                self.marked[request.user_id] = request
                if self.pending.pop(request.user_id, None) is None:
                    self.admitted += 1  # its user was erased, and a late write brought them back
                new += 1
        return new

    def define(self) -> None:
        """The gate is told of the definition."""
        if self.gate_epoch is not None:
            self.at_gate = self.definition

    def rebuild(self) -> None:
        """Open the gate under the present epoch, with what the ledger holds."""
        self.gate_epoch, self.at_gate = self.epoch, self.definition
        self.gate_audience = self.audience
        self.admitted, self.compensated = len(self.rows), 0
        self.marked = dict(self.final)
        self.pending = {
            user_id: Place(requested_at_us, True)
            for user_id, requested_at_us in self.rows.items()
            if user_id not in self.final
        }

    def roll_forward(self) -> None:
        """What a reconciler does for an open coupon."""
        self.define()
        self.gate_audience = self.audience
        self.mark([self.final[user_id] for user_id in list(self.pending) if user_id in self.final])
        lost = [user_id for user_id in self.pending if user_id not in self.rows]
        for user_id in lost:
            self.pending[user_id] = self.pending[user_id]._replace(retried=True)
            self.rows[user_id] = self.pending[user_id].requested_at_us

    def erase(self, user_id: int, nobody: int) -> None:
        """The ledger has another id in place of the user's."""
        self.erased.add((user_id, self.rows[user_id]))
        self.replaced[user_id] = nobody
        self.rows[nobody] = self.rows.pop(user_id)
        self.final[nobody] = self.final.pop(user_id)._replace(user_id=nobody)
        self.lives.erase(user_id, nobody)

    def erase_mark(self, user_id: int) -> None:
        """And so has the gate."""
        nobody = self.replaced.pop(user_id)
        if user_id in self.marked:
            self.marked[nobody] = self.marked.pop(user_id)._replace(user_id=nobody)

    def change(
        self, version: int, total: int | None, state: CouponState | None, window: str | None
    ) -> None:
        """The ledger's definition, where something is given."""
        self.definition = Definition(
            total or self.definition.total,
            state or self.definition.state,
            window or self.definition.window,
            version,
            self.line.has_line,
            self.has_room,
        )

    def at(self, user_id: int) -> IssueRequest | None:
        """What an open gate says of a user."""
        if user_id in self.marked:
            return self.marked[user_id]
        place = self.pending.get(user_id)
        return place and IssueRequest(
            self.coupon_id, user_id, place.requested_at_us, Status.REQUESTED
        )

    def event(self, user_id: int) -> IssueRequest:
        """The change event of a user's row."""
        return IssueRequest(self.coupon_id, user_id, self.rows[user_id], Status.REQUESTED)

    @property
    def figures(self) -> tuple[int | None, ...]:
        """Of an open gate, in the order of GateFigures."""
        return (
            *(self.gate_epoch, self.at_gate.version, self.at_gate.total),
            *(self.admitted, self.compensated, len(self.pending)),
            *(self.gate_issued, len(self.marked) - self.gate_issued),
        )
