"""Standby lists: users wait for a coupon that is sold out, leave, and are promoted."""

from collections.abc import Sequence

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from coupons.ledger.coupons import find_coupon
from coupons.ledger.standby import (
    EntryState,
    Joining,
    end_standby_entries,
    hold_standby_entry,
    join_standby,
    set_standby_list,
)
from coupons.model import Claim, CouponState, GateState, IssuedChange
from operations.verify.lists import count_lines, find_wrong_entries
from reconciler.standby_watch import serve_lines
from tests.model.expected import GROUP, ExpectedCoupon, Place
from tests.model.machine import GateAndLedger
from tests.model.start import USERS, anything, coupon_ids, drafts, every_place, every_terms
from tests.support.changes import change_owned_coupon

users = st.sampled_from(USERS)


def _is_claimed(coupon: ExpectedCoupon) -> bool:
    definition = coupon.definition
    return definition.state is CouponState.OPEN and definition.window == "within"


def _cannot_join(coupon: ExpectedCoupon, user_id: int) -> Joining | None:
    """Why the coupon or the user has no line to wait in."""
    if coupon.is_draft:
        return Joining.NO_COUPON
    if coupon.is_final or coupon.definition.window == "after":
        return Joining.CLOSED
    if coupon.line.standby in (None, "ending"):
        return Joining.NO_LIST
    if coupon.definition.state is CouponState.PAUSED:
        return Joining.PAUSED
    if coupon.definition.window == "before":
        return Joining.NOT_OPEN
    return Joining.REQUESTED if user_id in coupon.rows else None


def _has_lines(machine: "LinesOfCoupons") -> bool:
    return bool(machine._lines())


class LinesOfCoupons(GateAndLedger):
    """What users, administrators and the reconciler do with the lines, beside everything else."""

    @initialize(
        places=every_place,
        terms=every_terms,
        draft=drafts,
        coupon_id=coupon_ids,
        order=st.permutations(USERS),
        more=st.integers(0, 2),
    )
    def begin(
        self,
        places: Sequence[int],
        terms: Sequence[tuple[int | None, int | None]],
        draft: int | None,
        coupon_id: int,
        order: list[int],
        more: int,
    ) -> None:
        """With a line: else few sequences have one, as it takes several rules in their order."""
        super().begin(places, terms, draft)
        self.sell_out_and_queue_up(coupon_id, order)
        if more and self._lines():
            self.raise_and_serve(0, more)

    @rule(coupon_id=coupon_ids, is_on=st.sampled_from([True, True, True, False]))
    def switch_list(self, coupon_id: int, is_on: bool) -> None:
        coupon = self.expected[coupon_id]
        api = self.system.ledger["api"]
        done = set_standby_list(api, coupon_id, is_on=is_on, acted_by="model")
        assert done == (coupon.is_rebuilt and not coupon.is_final)
        if done:
            coupon.line.switch(is_on)
            self._see_version(coupon)

    @rule(coupon_id=coupon_ids, user_id=users, told=st.booleans())
    def join(self, coupon_id: int, user_id: int, told: bool) -> None:
        """told: whether the gate is, when a line begins; if not, the reconciler tells it."""
        coupon = self.expected[coupon_id]
        if coupon.audience is not None and user_id not in coupon.audience:
            return  # the API refuses it before
        is_sold_out = coupon.gate_epoch is not None and coupon.places_left <= 0
        api = self.system.ledger["api"]
        joined = join_standby(api, user_id, coupon_id, [GROUP], is_sold_out=is_sold_out)
        expected = _cannot_join(coupon, user_id)
        expected = expected or coupon.line.join(user_id, is_sold_out=is_sold_out)
        assert joined is expected, (joined, expected, coupon)
        self._see_version(coupon)
        if joined is Joining.FIRST and told:
            self._tell(coupon)

    @rule(coupon_id=coupon_ids, order=st.permutations(USERS))
    def sell_out_and_queue_up(self, coupon_id: int, order: list[int]) -> None:
        """So that there are lines: everybody claims, and whoever got nothing joins."""
        self.switch_list(coupon_id, True)
        self.claim([Claim(coupon_id, user_id, (GROUP,)) for user_id in order], ["ok"], 1)
        for user_id in order:
            self.join(coupon_id, user_id, True)

    @precondition(_has_lines)
    @rule(which=anything, more=st.integers(1, 2))
    def raise_and_serve(self, which: int, more: int) -> None:
        """Fewer places than users who wait: the first of them are promoted."""
        self._raise(which, more)
        self.serve()

    @precondition(_has_lines)
    @rule(which=anything, who=anything, more=st.integers(1, 2))
    def claim_past_the_line(self, which: int, who: int, more: int) -> None:
        """There are places, and somebody who does not wait claims: they are for the line."""
        coupon = self._raise(which, more)
        user_id = coupon.line.users[who % len(coupon.line.users)]
        self.leave(coupon.coupon_id, user_id)
        self.claim([Claim(coupon.coupon_id, user_id, (GROUP,))], ["ok"], 1)
        self.serve()

    def _raise(self, which: int, more: int) -> ExpectedCoupon:
        """Of one with a line, at an open gate that is told."""
        lines = self._lines()
        coupon = lines[which % len(lines)]
        self.reconcile()
        self._change(coupon.coupon_id, True, total=coupon.definition.total + more)
        return coupon

    def _lines(self) -> list[ExpectedCoupon]:
        return [each for each in self.expected.values() if each.line.has_line and each.line.users]

    @rule(coupon_id=coupon_ids, user_id=users)
    def leave(self, coupon_id: int, user_id: int) -> None:
        """As the API does it: who was admitted by a promotion that was cut off cannot leave."""
        coupon, api = self.expected[coupon_id], self.system.ledger["api"]
        with api.transaction():
            state = hold_standby_entry(api, user_id, coupon_id)
            assert (state is EntryState.WAITING) == (user_id in coupon.line.users)
            known = self.gate.read(coupon_id, [user_id])
            if user_id not in coupon.line.users or not (
                isinstance(known, GateState) or known == [None]
            ):
                return
            end_standby_entries(api, coupon_id, [user_id], EntryState.LEFT)
        coupon.line.leave(user_id)

    @precondition(lambda self: any(coupon.lives.issued_on for coupon in self.expected.values()))
    @rule(which=anything)
    def revoke(self, which: int) -> None:
        issued = [
            (coupon, user_id)
            for coupon in self.expected.values()
            for user_id in sorted(coupon.lives.issued_on)
            if user_id in USERS
        ]
        if not issued:
            return
        coupon, user_id = issued[which % len(issued)]
        before = coupon.lives.state(user_id)
        api = self.system.ledger["api"]
        change_owned_coupon(
            api, user_id, coupon.coupon_id, IssuedChange.REVOKE, "model", reason="fraud"
        )
        coupon.lives.revoke(user_id, "fraud")
        if (
            before == "active"
            and coupon.line.standby in ("empty", "waiting")
            and not coupon.is_final
        ):
            coupon.change(0, coupon.definition.total + 1, None, None)
            self._see_version(coupon)

    @rule()
    def serve(self) -> None:
        """The reconciler promotes, and ends lines that nobody is in."""
        while serve_lines(self.gate, self.system.ledger["reconciler"]):
            self._expect_served()
        self._expect_served()

    def _expect_served(self) -> None:
        for coupon in self.expected.values():
            if coupon.line.standby not in ("waiting", "ending"):
                continue
            if coupon.line.has_line and _is_claimed(coupon) and coupon.gate_epoch is not None:
                self._expect_promoted(coupon)
            is_over = coupon.is_final or coupon.definition.window == "after"
            coupon.line.tidy(is_over=is_over)
            self._see_version(coupon)

    def _expect_promoted(self, coupon: ExpectedCoupon) -> None:
        """In their order, by the ledger's total; nobody while the gate has it paused or closed."""
        read = self.gate.read(coupon.coupon_id, coupon.line.users)
        assert not isinstance(read, GateState)
        known = dict(zip(coupon.line.users, read, strict=True))
        left = coupon.definition.total - coupon.gate_issued - len(coupon.pending)
        if coupon.at_gate.state is not CouponState.OPEN:
            left = 0
        for user_id, request in known.items():
            if user_id in coupon.marked:
                coupon.line.leave(user_id)
                continue
            if user_id not in coupon.pending:
                if coupon.gate_audience is not None and user_id not in coupon.gate_audience:
                    coupon.line.leave(user_id)
                    continue
                if left <= 0:
                    continue
                left -= 1
                assert request is not None, "the first in line is promoted"
                coupon.pending[user_id] = Place(request.requested_at_us, True)
                coupon.admitted += 1
            place = coupon.pending[user_id]._replace(retried=True)
            coupon.pending[user_id] = place
            if coupon.gate_epoch == coupon.epoch:
                coupon.rows.setdefault(user_id, place.requested_at_us)
                coupon.line.leave(user_id)

    def _tell(self, coupon: ExpectedCoupon) -> None:
        found = find_coupon(self.system.ledger["api"], coupon.coupon_id)
        assert found is not None
        self.gate.define(found)
        coupon.define()

    def _see_version(self, coupon: ExpectedCoupon) -> None:
        found = find_coupon(self.system.ledger["ops"], coupon.coupon_id)
        assert found is not None
        coupon.change(found.version, None, None, None)

    @invariant()
    def the_lines_are_as_expected(self) -> None:
        found: dict[int, list[int]] = {each: [] for each in self.expected}
        for coupon_id, user_id in self.system.ledger["ops"].execute(
            "SELECT coupon_id, user_id FROM standby_entry WHERE state = 'waiting' ORDER BY number"
        ):
            found[coupon_id].append(user_id)
        assert found == {each: coupon.line.users for each, coupon in self.expected.items()}
        ops = self.system.ledger["ops"]
        for coupon in self.expected.values():
            ledgers = find_coupon(ops, coupon.coupon_id)
            assert ledgers is not None
            assert (ledgers.standby and str(ledgers.standby)) == coupon.line.standby
        assert find_wrong_entries(ops) == []
        assert [each.complaints for each in count_lines(ops) if each.complaints] == []

    def teardown(self) -> None:
        """Once it is quiet nobody waits where places are free."""
        if self.expected:
            self.reconcile()
            self.serve()
            for coupon in self.expected.values():
                if coupon.line.users and _is_claimed(coupon):
                    assert coupon.definition.total <= coupon.gate_issued + len(coupon.pending)
        super().teardown()
