"""Codes of issued coupons, beside everything that becomes of those."""

from collections.abc import Sequence
from datetime import timedelta

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from coupons.codes import CodeKind, key_of
from coupons.ids import FIRST_ERASED_ID
from coupons.ledger.admin_states import archive_coupon
from coupons.ledger.codes import choose_codes, find_code, give_code, remove_free_codes
from coupons.ledger.coupons import change_coupon
from coupons.ledger.erasures import erase_in_ledger
from coupons.model import CouponState, IssuedChange
from operations.verify.codes import count_codes, find_wrong_codes
from tests.model.expected_codes import ExpectedCodes
from tests.model.living import LivesOfIssuedCoupons, few, orders, some_are_issued
from tests.model.start import (
    COUPONS,
    USERS,
    coupon_ids,
    drafts,
    every_place,
    every_terms,
    of_each,
)
from tests.model.system import System
from tests.support.changes import change_owned_coupon
from tests.support.codes import upload

WEEK = timedelta(days=7)
POOL = ("SAVE-1", "SAVE-2", "SAVE-3", "SAVE-4")
"""So few that two coupons want the same ones."""

codes = st.lists(st.sampled_from(POOL), min_size=1, max_size=4, unique=True)
kinds = st.sampled_from([*[CodeKind.POOL] * 2, *CodeKind])


def some_are_given(self: "CodesOfIssuedCoupons") -> bool:
    """Whether there is a code to type."""
    return any(each.given for each in self.codes.values())


class CodesOfIssuedCoupons(LivesOfIssuedCoupons):
    """What administrators, users and tills do with codes; erased users and archived coupons."""

    def __init__(self, system: System) -> None:
        super().__init__(system)
        self.codes = {coupon_id: ExpectedCodes() for coupon_id in COUPONS}

    @initialize(
        places=every_place,
        terms=every_terms,
        draft=drafts,
        kinds=of_each(kinds),
        lines=of_each(codes),
    )
    def begin(
        self,
        places: Sequence[int],
        terms: Sequence[tuple[int | None, int | None]],
        draft: int | None,
        kinds: Sequence[CodeKind] = (),
        lines: Sequence[list[str]] = (),
    ) -> None:
        """With codes for most, and a coupon that two users have: else little would happen."""
        super().begin(places, terms, draft)
        for coupon_id, kind, some in zip(COUPONS, kinds, lines, strict=True):
            self.choose_kind(coupon_id, kind)
            self.upload(coupon_id, some)
            for user_id in USERS[:2]:
                self.issue_one(coupon_id, user_id, again=False)

    @rule(coupon_id=coupon_ids, kind=kinds)
    def choose_kind(self, coupon_id: int, kind: CodeKind) -> None:
        outcome, _ = choose_codes(self.system.ledger["api"], coupon_id, kind, "model")
        assert outcome == self.codes[coupon_id].choose(kind)

    @rule(coupon_id=coupon_ids, lines=codes)
    def upload(self, coupon_id: int, lines: list[str]) -> None:
        """To a pool alone. What any coupon has already is left out."""
        of = self.codes[coupon_id]
        if of.kind is not CodeKind.POOL:
            return
        new = set(lines) - self._all()
        report = upload(self.system.ledger["api"], coupon_id, lines)
        assert report.added == len(new)
        assert report.refused.total() == len(lines) - len(new)
        of.free |= new

    @rule(coupon_id=coupon_ids, user_id=st.sampled_from(USERS[:2]), asks=st.booleans())
    def remove_free(self, coupon_id: int, user_id: int, asks: bool) -> None:
        """asks: a user just before, whose code stays."""
        if asks:
            self._ask_for_code(coupon_id, user_id)
        removed = remove_free_codes(self.system.ledger["api"], coupon_id, "model")
        assert removed == self.codes[coupon_id].remove()

    @rule(coupon_id=coupon_ids, user_id=st.sampled_from(USERS))
    def ask(self, coupon_id: int, user_id: int) -> None:
        """A user asks for the code of a coupon that somebody else may have."""
        self._ask_for_code(coupon_id, user_id)

    @precondition(some_are_issued)
    @rule(which=few)
    def ask_by_owner(self, which: int) -> None:
        """One of those who have a coupon."""
        self._ask_for_code(*self._pick(which))

    @precondition(some_are_issued)
    @rule(which=few)
    def end_and_ask(self, which: int) -> None:
        """It is revoked, if it can be; then its user asks."""
        self.revoke(which)
        self._ask_for_code(*self._pick(which))

    def _ask_for_code(self, coupon_id: int, user_id: int) -> None:
        of, lives = self.codes[coupon_id], self.expected[coupon_id].lives
        state = lives.state(user_id) if user_id in lives.issued_on else None
        refused, others = of.refuse(user_id, state), self._all()
        outcome, code = give_code(self.system.ledger["api"], user_id, coupon_id)
        assert outcome == (refused or "done")
        assert bool(code) == (refused is None)
        if refused is None:
            of.give(user_id, code, others)

    @precondition(some_are_given)
    @rule(which=few, order=orders)
    def use_by_code(self, which: int, order: str) -> None:
        """A till types the code in small letters, and uses what it finds."""
        given = [
            (code, coupon_id, user_id)
            for coupon_id, of in self.codes.items()
            for user_id, code in sorted(of.given.items())
        ]
        code, coupon_id, user_id = given[which % len(given)]
        api, lives = self.system.ledger["api"], self.expected[coupon_id].lives
        found = find_code(api, key_of(code.lower().replace("-", " ")))
        assert found is not None
        assert found[:4] == (code, user_id, coupon_id, lives.state(user_id))
        changed = change_owned_coupon(
            api, user_id, coupon_id, IssuedChange.USE, "model", order_reference=order
        )
        assert changed is not None
        assert changed[0] == lives.use(user_id, order)

    @rule(user_id=st.sampled_from(USERS))
    def erase(self, user_id: int) -> None:
        """In the ledger: the gate has nothing of these requests."""
        held = [each for each in self.expected.values() if user_id in each.rows]
        ids = [each.coupon_id for each in held]
        erase_in_ledger(self.system.ledger["api"], user_id, ids, "model", WEEK)
        rows = self.system.rows("coupon_issue_request")
        for coupon in held:
            of_it = {user for of, user in rows if of == coupon.coupon_id}
            [nobody] = of_it - coupon.rows.keys()
            assert nobody >= FIRST_ERASED_ID
            coupon.erase(user_id, nobody)
            self.codes[coupon.coupon_id].erase(user_id, nobody)

    @rule()
    def archive(self) -> None:
        """The last coupon. Its issued coupons go on: users ask for codes, tills use them."""
        coupon_id, api = COUPONS[-1], self.system.ledger["api"]
        coupon = self.expected[coupon_id]
        if coupon.is_draft or coupon.is_final:
            return
        change_coupon(api, coupon_id, state=CouponState.CLOSED)
        archived = archive_coupon(api, coupon_id)
        assert archived is not None
        coupon.change(archived.version, None, CouponState.ARCHIVED, None)

    def _all(self) -> set[str]:
        return {code for of in self.codes.values() for code in of.all}

    @invariant()
    def the_codes_are_as_expected(self) -> None:
        rows = {
            (coupon_id, code, user_id)
            for coupon_id, code, user_id in self.system.ledger["api"].execute(
                "SELECT coupon_id, code, user_id FROM coupon_code"
            )
        }
        free = {(each, code, None) for each, of in self.codes.items() for code in of.free}
        given = {
            (each, code, user_id)
            for each, of in self.codes.items()
            for user_id, code in of.given.items()
        }
        assert rows == free | given
        for code in POOL:
            found = find_code(self.system.ledger["api"], key_of(code))
            assert (found is not None) == any(
                code in of.given.values() for of in self.codes.values()
            )

    @invariant()
    def the_codes_are_counted(self) -> None:
        """As `coupon verify` does, which finds nothing wrong with them."""
        if not self.expected:
            return
        ops = self.system.ledger["ops"]
        assert find_wrong_codes(ops) == []
        counted = {each.coupon_id: each for each in count_codes(ops)}
        for coupon_id, of in self.codes.items():
            if of.kind is CodeKind.NONE:
                assert coupon_id not in counted
                continue
            lives = self.expected[coupon_id].lives
            owed = sum(
                lives.state(user_id) in ("active", "used") and user_id not in of.given
                for user_id in lives.issued_on
            )
            assert counted[coupon_id][1:] == (
                of.kind,
                of.pool_size,
                of.pool_size,
                len(of.given),
                len(of.free),
                0,
                owed if of.kind is CodeKind.POOL else 0,
            )
