"""Users are erased, and what was cut off is ended."""

from datetime import timedelta

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import rule

from coupons.gate.audiences import lists_are_at_gate
from coupons.gate.erasing import erase_again, erase_user
from coupons.ids import FIRST_ERASED_ID
from coupons.ledger.erasures import (
    UserInFlight,
    erase_in_ledger,
    find_requests_to_erase,
    list_returned,
)
from tests.model.expected import ExpectedCoupon
from tests.model.repairing import Repairing
from tests.model.start import USERS

WEEK = timedelta(days=7)


class Erasing(Repairing):
    """What an administrator does, and the reconciler after it."""

    @rule(user_id=st.sampled_from(USERS), cut=st.sampled_from([None, "again", "rebuild", "watch"]))
    def erase(self, user_id: int, cut: str | None) -> None:
        """cut: it ends before the gate's step. Then it is repeated, or the reconciler ends it."""
        api = self.system.ledger["api"]
        held = [each for each in self.expected.values() if user_id in each.rows]
        if self._is_admitted(user_id) or any(self._is_in_flight(each, user_id) for each in held):
            with pytest.raises(UserInFlight):
                erase_user(self.gate, api, user_id, "model", WEEK)
            return
        if cut is None:
            proof = erase_user(self.gate, api, user_id, "model", WEEK)
            is_pending = any(user_id in (each.audience or ()) for each in self.expected.values())
            is_pending |= not lists_are_at_gate(self.gate, api)
            assert is_pending or proof.at_gate_since is not None
        else:
            coupon_ids = [each.coupon_id for each in find_requests_to_erase(api, user_id)]
            assert coupon_ids == sorted(each.coupon_id for each in held)
            erase_in_ledger(api, user_id, coupon_ids, "model", WEEK)
        for coupon in self.expected.values():
            if coupon.audience is not None:
                coupon.audience -= {user_id}
            coupon.line.leave(user_id)
        self._expect_erased(user_id, held, at_gate=cut is None)
        if cut == "rebuild":
            for coupon in held:
                self.rebuild(coupon.coupon_id)
        if cut == "watch" or (cut is not None and self._is_admitted(user_id)):
            self.watch()
        elif cut is not None:
            erase_user(self.gate, api, user_id, "model", WEEK)
        for coupon in held:
            coupon.erase_mark(user_id)

    @rule()
    def watch(self) -> None:
        """Ends what was cut off. What a late write has brought back goes again."""
        back = [
            (coupon, user_id)
            for coupon in self.expected.values()
            for user_id, request in coupon.final.items()
            if (user_id, request.requested_at_us) in coupon.erased
            if coupon.rows.get(user_id) in (None, request.requested_at_us)
            if not self._is_in_flight(coupon, user_id)
        ]
        reconciler = self.system.ledger["reconciler"]
        for returned in list_returned(reconciler, -1):
            erase_again(self.gate, reconciler, returned)
        for coupon, user_id in back:
            self._expect_erased(user_id, [coupon], at_gate=True)
            coupon.erase_mark(user_id)

    def _is_admitted(self, user_id: int) -> bool:
        """The gate may have a claim whose row is not written: it may be written later."""
        return any(
            each.is_rebuilt
            and user_id not in each.rows
            and (each.gate_epoch is None or user_id in each.pending)
            for each in self.expected.values()
        )

    def _is_in_flight(self, coupon: ExpectedCoupon, user_id: int) -> bool:
        """A request is not final, or not marked at a gate that is open."""
        final = coupon.final.get(user_id)
        is_open = coupon.gate_epoch is not None
        return final is None or (is_open and coupon.marked.get(user_id) != final)

    def _expect_erased(self, user_id: int, held: list[ExpectedCoupon], at_gate: bool) -> None:
        rows = self.system.rows("coupon_issue_request")
        for coupon in held:
            key = coupon.coupon_id, user_id
            [nobody] = [
                user
                for of, user in rows
                if of == coupon.coupon_id and user >= FIRST_ERASED_ID and user not in coupon.rows
            ]
            if key in self.promised:
                self.promised.remove(key)
                self.promised.add((coupon.coupon_id, nobody))
            coupon.erase(user_id, nobody)
            assert at_gate or coupon.gate_epoch is None or user_id in coupon.marked
