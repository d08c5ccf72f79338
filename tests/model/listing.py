"""Coupons are opened to lists of users, and to everybody again."""

from collections.abc import Set

from hypothesis import strategies as st
from hypothesis.stateful import rule

from coupons.gate.audiences import bring_audience
from coupons.ledger.audiences import AudienceOutcome, remove_audience
from tests.model.start import USERS, Start, coupon_ids
from tests.support.audiences import WHO, list_users


class Listing(Start):
    """What an administrator does, and the reconciler after it.

    "It is effective" is said when the gate has the ledger's list. From then on nobody else is
    admitted: what the gate decides is compared with `gate_audience` after each claim.
    """

    @rule(
        coupon_id=coupon_ids,
        users=st.frozensets(st.sampled_from(USERS), min_size=1),
        brought=st.booleans(),
    )
    def open_to_list(self, coupon_id: int, users: Set[int], brought: bool) -> None:
        """brought: the reconciler brings it at once; if not, later."""
        coupon = self.expected[coupon_id]
        outcome = list_users(self.system.ledger["api"], coupon_id, users, may_be_closed=True)
        if coupon.is_final:
            assert outcome in (AudienceOutcome.CLOSED, AudienceOutcome.ARCHIVED)
            return
        assert outcome is AudienceOutcome.DONE
        coupon.audience = frozenset(users)
        if brought:
            self._bring(coupon_id)

    @rule(coupon_id=coupon_ids, brought=st.booleans())
    def open_to_everybody(self, coupon_id: int, brought: bool) -> None:
        outcome = remove_audience(self.system.ledger["api"], coupon_id, WHO)
        had_list = self.expected[coupon_id].audience is not None
        assert outcome is (AudienceOutcome.DONE if had_list else AudienceOutcome.REPEATED)
        self.expected[coupon_id].audience = None
        if brought:
            self._bring(coupon_id)

    def _bring(self, coupon_id: int) -> None:
        coupon = self.expected[coupon_id]
        is_there = bring_audience(self.gate, self.system.ledger["reconciler"], coupon_id)
        if coupon.gate_epoch is not None:
            assert is_there, "an open coupon takes its list"
            coupon.gate_audience = coupon.audience
