"""The machine: any of its rules may happen at any time, and its invariants hold after each."""

from hypothesis.stateful import invariant

from coupons.ledger.requests import count_requests
from coupons.model import GateState
from operations.verify.report import check_consistency
from tests.model.changing import Changing, Delivering
from tests.model.claiming import Claiming
from tests.model.erasing import Erasing
from tests.model.listing import Listing
from tests.model.start import USERS


class GateAndLedger(Claiming, Changing, Delivering, Erasing, Listing):
    """Does the same to the system and to the model, and compares."""

    @invariant()
    def the_ledger_is_as_expected(self) -> None:
        def keys(users_of: str) -> set[tuple[int, int]]:
            return {
                (coupon_id, user_id)
                for coupon_id, coupon in self.expected.items()
                for user_id in getattr(coupon, users_of)
            }

        requests = self.system.rows("coupon_issue_request")
        issued = self.system.rows("issued_coupon")
        rejected = self.system.rows("issue_rejection")
        assert requests == keys("rows")
        assert self.promised <= requests, "202 means a row"
        assert issued | rejected == keys("final")
        assert not issued & rejected
        assert issued | rejected <= requests

    @invariant()
    def nothing_is_oversold(self) -> None:
        for coupon_id, coupon in self.expected.items():
            counts = count_requests(self.system.ledger["ops"], coupon_id)
            assert counts is not None
            assert counts.balance, counts
            assert counts.issued == coupon.issued <= coupon.definition.total
            assert not (coupon.is_archived and counts.in_flight), "accepted after the archiving"

    @invariant()
    def the_gate_is_closed_or_as_expected(self) -> None:
        for coupon_id, coupon in self.expected.items():
            read = self.gate.read(coupon_id, USERS)
            if coupon.gate_epoch is None:
                assert isinstance(read, GateState)
                assert not coupon.is_draft or read is GateState.MISSING
                continue
            assert read == [coupon.at(user_id) for user_id in USERS]
            [figures] = self.gate.figures([coupon_id])
            assert figures is not None
            assert figures[: len(coupon.figures)] == coupon.figures
            final = set(coupon.final.values())
            assert set(coupon.marked.values()) <= final, "final at the gate, not in the ledger"

    def teardown(self) -> None:
        """Once it is quiet the gate equals the ledger, and every promise has come true."""
        if not self.expected:
            return
        self.reconcile()
        events = [
            coupon.event(user_id) for coupon in self.expected.values() for user_id in coupon.rows
        ]
        self.gate.settle(self.issue(events))
        for coupon_id, coupon in self.expected.items():
            coupon.mark(coupon.final.values())
            books = check_consistency(self.gate, self.system.ledger["ops"], coupon_id)
            assert books is not None
            assert books.complaints == [], books
            assert self.promised <= self.system.rows("issued_coupon") | self.system.rows(
                "issue_rejection"
            )
        self.the_ledger_is_as_expected()
        self.nothing_is_oversold()
        self.the_gate_is_closed_or_as_expected()
