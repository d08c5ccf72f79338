"""Where every sequence of events begins: three coupons, one may be a draft; nobody has claimed."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize

from coupons.gate import Decision, open_coupon
from coupons.ledger.coupons import create_coupon
from coupons.ledger.issued_coupons import issue_or_reject
from coupons.model import Claim, CouponState, IssueRequest
from tests.model.expected import GROUP, Definition, ExpectedCoupon
from tests.model.expected_lives import ExpectedLives
from tests.model.system import System

T = TypeVar("T")

USERS = range(1, 7)
COUPONS = range(1, 4)
LONG_AGO, FAR_OFF = datetime(2020, 1, 1, tzinfo=UTC), datetime(2220, 1, 1, tzinfo=UTC)

coupon_ids = st.sampled_from(COUPONS)
totals = st.integers(1, 5)
anything = st.integers(0, 1_000)
days = st.sampled_from([None, 2, 7, 30])
"""Of the terms of a coupon."""


def of_each(values: st.SearchStrategy[T]) -> st.SearchStrategy[list[T]]:
    """One for each coupon."""
    return st.lists(values, min_size=len(COUPONS), max_size=len(COUPONS))


every_place, every_terms = of_each(totals), of_each(st.tuples(days, days))
drafts = st.sampled_from([None, *COUPONS])


class Start(RuleBasedStateMachine):
    """The system, and what is expected of it."""

    def __init__(self, system: System) -> None:
        super().__init__()
        self.system = system
        self.gate = system.gate
        self.expected: dict[int, ExpectedCoupon] = {}
        self.on_their_way: list[tuple[list[Claim], list[Decision]]] = []
        self.promised: set[tuple[int, int]] = set()

    @initialize(places=every_place, terms=every_terms, draft=drafts)
    def begin(
        self,
        places: Sequence[int],
        terms: Sequence[tuple[int | None, int | None]],
        draft: int | None,
    ) -> None:
        self.system.empty()
        for coupon_id, total, (valid_for, until) in zip(COUPONS, places, terms, strict=True):
            group = GROUP if coupon_id == COUPONS[-1] else None
            state = CouponState.DRAFT if coupon_id == draft else CouponState.OPEN
            coupon = create_coupon(
                self.system.ledger["api"],
                coupon_id=coupon_id,
                name="of the model",
                total_quantity=total,
                issue_starts_at=LONG_AGO,
                issue_ends_at=None,
                eligible_group=group,
                state=state,
            )
            assert coupon is not None
            assert coupon.state is state
            if coupon_id != draft:
                assert open_coupon(self.gate, coupon)
            definition = Definition(total, state, version=coupon.version)
            self.expected[coupon_id] = ExpectedCoupon(
                coupon_id, group, definition, coupon.gate_epoch
            )
            self.system.set_terms(coupon_id, valid_for, until)
            self.expected[coupon_id].lives = ExpectedLives(days=valid_for, until=until)

    def issue(self, batch: list[IssueRequest]) -> list[IssueRequest]:
        """Make the requests of change events final, without telling the gate."""
        outcomes = issue_or_reject(self.system.ledger["consumer"], batch)
        found = {outcome.request[:2]: outcome for outcome in outcomes}
        assert len(found) == len(outcomes)
        expected = {
            outcome.request[:2]: outcome
            for coupon_id, coupon in self.expected.items()
            for outcome in coupon.issue(e for e in batch if e.coupon_id == coupon_id)
        }
        assert found == expected
        return [outcome.request for outcome in outcomes]
