"""Coupons are changed, and change events delivered."""

from contextlib import nullcontext
from datetime import timedelta
from typing import Any, cast

import psycopg
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from coupons.gate.changes import (
    CouponDraft,
    CouponInFlight,
    CouponNotClosed,
    archive_in_ledger,
    open_draft_at_gate,
)
from coupons.ledger.admin_states import open_draft
from coupons.ledger.coupons import CouponChanges, change_coupon
from coupons.model import CouponState, IssueRequest
from tests.model.start import FAR_OFF, LONG_AGO, Start, anything, coupon_ids, totals
from tests.model.system import WatchedGate

_DAY = timedelta(days=1)
WINDOWS = {
    "before": (FAR_OFF - _DAY, FAR_OFF),
    "within": (LONG_AGO, FAR_OFF),
    "after": (LONG_AGO, LONG_AGO + _DAY),
}


class Changing(Start):
    """What an administrator does, whether or not the gate is told."""

    @rule(coupon_id=coupon_ids, total=totals, told=st.booleans())
    def change_total(self, coupon_id: int, total: int, told: bool) -> None:
        """told: whether the gate is; if not, the reconciler tells it."""
        coupon = self.expected[coupon_id]
        lowered_too_far = total < min(coupon.definition.total, max(coupon.issued, coupon.held))
        if lowered_too_far and not coupon.is_final:
            with pytest.raises(psycopg.errors.CheckViolation):
                change_coupon(self.system.ledger["api"], coupon_id, total_quantity=total)
        else:
            self._change(coupon_id, told, total=total)

    @rule(
        coupon_id=coupon_ids,
        state=st.sampled_from([*[CouponState.OPEN] * 4, CouponState.PAUSED, CouponState.CLOSED]),
        told=st.booleans(),
    )
    def change_state(self, coupon_id: int, state: CouponState, told: bool) -> None:
        self._change(coupon_id, told, state=state)

    @rule(coupon_id=coupon_ids, told=st.booleans())
    def open_draft(self, coupon_id: int, told: bool) -> None:
        """told: whether who opens it opens the gate too; if not, the reconciler does."""
        coupon = self.expected[coupon_id]
        opened = open_draft(self.system.ledger["api"], coupon_id)
        assert (opened is not None) == coupon.is_draft
        if opened is None:
            return
        coupon.change(opened.version, None, CouponState.OPEN, None)
        if told:
            is_open = open_draft_at_gate(self.gate, self.system.ledger["api"], opened, {})
            assert is_open == (coupon.audience is None), "with a list it is the reconciler's"
            if is_open:
                coupon.rebuild()

    @rule(coupon_id=coupon_ids, told=st.booleans())
    def archive(self, coupon_id: int, told: bool) -> None:
        """Only what is closed, and has nothing in flight."""
        coupon = self.expected[coupon_id]
        state, api = coupon.definition.state, self.system.ledger["api"]
        if state is CouponState.CLOSED:
            coupon.define()
        refused: type[Exception] | None = None
        if coupon.is_draft:
            refused = CouponDraft
        elif not coupon.is_final:
            refused = CouponNotClosed
        elif state is CouponState.CLOSED and coupon.is_in_flight:
            refused = CouponInFlight
        with pytest.raises(refused) if refused else nullcontext():
            archived = archive_in_ledger(self.gate, api, coupon_id, "model")
        if refused or state is CouponState.ARCHIVED:
            return
        assert archived.gate_epoch > coupon.epoch, "what was admitted before is fenced"
        coupon.epoch = archived.gate_epoch
        coupon.change(archived.version, None, CouponState.ARCHIVED, None)
        if told:
            self.gate.define(archived)
            coupon.define()

    @rule(
        coupon_id=coupon_ids,
        window=st.sampled_from([*WINDOWS, *["within"] * 3]),
        told=st.booleans(),
    )
    def change_window(self, coupon_id: int, window: str, told: bool) -> None:
        coupon = self.expected[coupon_id]
        # A coupon with an end of validity was given no end of claims: that would be beyond it.
        if coupon.lives.until is not None and not coupon.is_final:
            window = "after"
        self._change(coupon_id, told, window=window)

    def _change(
        self,
        coupon_id: int,
        told: bool,
        total: int | None = None,
        state: CouponState | None = None,
        window: str | None = None,
    ) -> None:
        starts_at, ends_at = WINDOWS[window] if window else (None, None)
        wanted: dict[str, Any] = {
            "total_quantity": total,
            "state": state,
            "issue_starts_at": starts_at,
            "issue_ends_at": ends_at,
        }
        given = {name: value for name, value in wanted.items() if value is not None}
        changes = cast(CouponChanges, given)
        changed = change_coupon(self.system.ledger["api"], coupon_id, **changes)
        coupon = self.expected[coupon_id]
        if coupon.is_final:
            assert changed is None, "closed and archived are final"
            return
        if state and coupon.is_draft:
            assert changed is None, "a draft becomes open by open_draft alone"
            return
        assert changed is not None
        coupon.change(changed.version, total, state, window)
        if told:
            self.gate.define(changed)
            coupon.define()


class Delivering(Start):
    """What the consumer does."""

    @precondition(lambda self: any(coupon.rows for coupon in self.expected.values()))
    @rule(
        picks=st.lists(anything, min_size=1, max_size=10),
        marked=st.booleans(),
        times=st.integers(1, 2),
    )
    def deliver(self, picks: list[int], marked: bool, times: int) -> None:
        """Change events, new ones or old ones, in any order, some twice; marks may get lost."""
        events = [
            coupon.event(user_id) for coupon in self.expected.values() for user_id in coupon.rows
        ]
        batch = [events[pick % len(events)] for pick in picks]
        final = self.issue(batch)
        if marked:
            gate = WatchedGate(self.gate, times)
            new = gate.settle(final)
            self._expect_marks(final, new)

    def _expect_marks(self, final: list[IssueRequest], new: int) -> None:
        expected, is_known = 0, True
        for coupon_id, coupon in self.expected.items():
            of_it = [each for each in final if each.coupon_id == coupon_id]
            if coupon.gate_epoch is not None:
                expected += coupon.mark(of_it)
            elif of_it:
                is_known = False
        assert new == expected or not is_known
