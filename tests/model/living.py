"""What becomes of issued coupons: used, used no more, revoked, expired; and their terms."""

from collections import Counter
from datetime import timedelta

import psycopg
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from coupons.ledger.owned_coupons import (
    expire_issued_coupons,
    list_expiry_due,
)
from coupons.ledger.requests import accept_requests
from coupons.model import Admission, IssuedChange
from operations.verify.lives import count_lives, find_wrong_changes
from tests.model.expected_lives import ExpectedLives
from tests.model.start import USERS, Start, coupon_ids, days
from tests.support.changes import change_owned_coupon

MOMENT_US = 1_795_000_000_000_000
STEP_DAYS = 5
"""Longer than the shortest terms."""
A_PAUSE = timedelta(minutes=1)
"""Longer than the sweep rests after a walk."""
MOST_PAGES = 100

few = st.integers(0, 3)
"""Which of those that are issued: a few, so that more happens to each."""
orders = st.sampled_from(["A", "B"])


def some_are_issued(self: Start) -> bool:
    """Whether there is one to change."""
    return any(coupon.lives.issued_on for coupon in self.expected.values())


class LivesOfIssuedCoupons(Start):
    """What users, tills, staff and time do with issued coupons. All of it is in the ledger."""

    @rule(coupon_id=coupon_ids, user_id=st.sampled_from(USERS), again=st.booleans())
    def issue_one(self, coupon_id: int, user_id: int, again: bool) -> None:
        """again: every change event comes once more, which changes nothing."""
        coupon = self.expected[coupon_id]
        if coupon.is_draft or coupon.is_archived:
            return  # its terms change all the same
        admission = Admission(coupon_id, user_id, MOMENT_US, coupon.epoch, repeated=False)
        assert accept_requests(self.system.ledger["api"], [admission]) == {coupon_id}
        coupon.accept([admission])
        users = coupon.rows if again else [user_id]
        self.issue([coupon.event(each) for each in users])

    @precondition(some_are_issued)
    @rule(which=few, order=orders)
    def use(self, which: int, order: str) -> None:
        lives, user_id, *answer = self._ask(which, IssuedChange.USE, order, None)
        assert answer == [lives.use(user_id, order), lives.state(user_id)]

    @precondition(some_are_issued)
    @rule(which=few, order=orders)
    def cancel_use(self, which: int, order: str) -> None:
        lives, user_id, *answer = self._ask(which, IssuedChange.CANCEL_USE, order, None)
        assert answer == [lives.cancel_use(user_id, order), lives.state(user_id)]

    @precondition(some_are_issued)
    @rule(which=few)
    def revoke(self, which: int) -> None:
        lives, user_id, *answer = self._ask(which, IssuedChange.REVOKE, None, "fraud")
        assert answer == [lives.revoke(user_id, "fraud"), lives.state(user_id)]

    @rule(coupon_id=coupon_ids, valid_for=days, until=days)
    def change_terms(self, coupon_id: int, valid_for: int | None, until: int | None) -> None:
        """until: in so many days. Once somebody has a request, validity can only grow."""
        coupon, lives = self.expected[coupon_id], self.expected[coupon_id].lives
        until_day = None if until is None else lives.today + until
        if until_day == lives.until and until is not None:
            return  # now() has moved on since: the same day is not the same time
        if coupon.rows and lives.shortens(valid_for, until_day):
            with pytest.raises(psycopg.errors.CheckViolation, match="cannot become valid"):
                self.system.set_terms(coupon_id, valid_for, until)
            return
        self.system.set_terms(coupon_id, valid_for, until)
        lives.days, lives.until = valid_for, until_day

    @rule()
    def days_pass(self) -> None:
        """Every time that is stored is so many days earlier: as if the clock had moved on."""
        self.system.let_time_pass(timedelta(days=STEP_DAYS))
        for coupon in self.expected.values():
            coupon.lives.today += STEP_DAYS

    @rule()
    def sweep(self) -> None:
        """The reconciler writes what has expired, a small page at a time."""
        self.system.let_time_pass(A_PAUSE)
        reconciler = self.system.ledger["reconciler"]
        pages = 0
        for coupon_id in list_expiry_due(reconciler):
            while not expire_issued_coupons(reconciler, coupon_id, page_size=2).is_done:
                pages += 1
                assert pages <= MOST_PAGES, "the sweep does not end"
        for coupon in self.expected.values():
            coupon.lives.sweep()

    def _ask(
        self, which: int, wanted: IssuedChange, order: str | None, reason: str | None
    ) -> tuple[ExpectedLives, int, str, str]:
        """Change one of those that are issued; return where it is expected, and what was said."""
        coupon_id, user_id = self._pick(which)
        changed = change_owned_coupon(
            self.system.ledger["api"],
            user_id,
            coupon_id,
            wanted,
            "model",
            order_reference=order,
            reason=reason,
        )
        assert changed is not None
        answer, coupon = changed
        return self.expected[coupon_id].lives, user_id, answer, coupon.state

    def _pick(self, which: int) -> tuple[int, int]:
        """One of those that are issued."""
        issued = [
            (coupon_id, user_id)
            for coupon_id, coupon in self.expected.items()
            for user_id in sorted(coupon.lives.issued_on)
        ]
        return issued[which % len(issued)]

    @invariant()
    def the_changes_are_as_expected(self) -> None:
        rows: dict[int, set[tuple[object, ...]]] = {each: set() for each in self.expected}
        for coupon_id, *row in self.system.ledger["ops"].execute(
            "SELECT coupon_id, user_id, change_number, from_state, to_state, order_reference,"
            " reason FROM issued_coupon_change"
        ):
            rows[coupon_id].add(tuple(row))
        assert rows == {each: coupon.lives.rows() for each, coupon in self.expected.items()}
        assert find_wrong_changes(self.system.ledger["ops"]) == []

    @invariant()
    def the_states_are_as_expected(self) -> None:
        states = {
            (coupon_id, user_id): state
            for coupon_id, user_id, state in self.system.ledger["ops"].execute(
                "SELECT coupon_id, user_id, state FROM owned_coupon"
            )
        }
        assert states == {
            (each, user_id): coupon.lives.state(user_id)
            for each, coupon in self.expected.items()
            for user_id in coupon.lives.issued_on
        }
        for life in count_lives(self.system.ledger["ops"]):
            counts = Counter(state for (each, _), state in states.items() if each == life.coupon_id)
            assert life.complaint == ""
            assert life._asdict() == {
                "coupon_id": life.coupon_id,
                "issued": counts.total(),
                **{state: counts[state] for state in ("active", "used", "expired", "revoked")},
            }

    @invariant()
    def at_most_one_order_uses_a_coupon(self) -> None:
        """From the rows alone: between two uses, the first one was cancelled."""
        using: dict[tuple[int, int], str | None] = {}
        for coupon_id, user_id, from_state, to_state, order in self.system.ledger["ops"].execute(
            "SELECT coupon_id, user_id, from_state, to_state, order_reference"
            " FROM issued_coupon_change ORDER BY coupon_id, user_id, change_number"
        ):
            key = coupon_id, user_id
            if to_state == "used":
                assert using.get(key) is None, f"{key} is used by {using[key]} and by {order}"
                using[key] = order
            elif from_state == "used":
                assert using.get(key) == order, f"{key}: {order} cancels the use of another"
                using[key] = None
