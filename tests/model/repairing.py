"""What befalls the gate, and how it is repaired."""

from collections.abc import Callable, Iterator

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from coupons.gate.rebuild import open_fenced, rebuild
from coupons.gate.values import coupon_key
from coupons.ledger.coupons import begin_gate_epoch, find_coupon
from coupons.ledger.requests import stream_requests
from coupons.model import Coupon, GateState, IssueRequest
from reconciler.routine_pass import run_pass
from tests.model.start import USERS, Start, coupon_ids


class Interrupted(Exception):
    """A rebuild ended here."""


class Failing(Start):
    """The gate forgets, or lives another life."""

    def all_open(self) -> bool:
        """Whether there is anything to lose; else most of the steps would be at a closed gate."""
        return all(
            coupon.gate_epoch is not None for coupon in self.expected.values() if coupon.is_rebuilt
        )

    @precondition(all_open)
    @rule(by=st.sampled_from(["flush", "restart"]))
    def lose(self, by: str) -> None:
        """After a restart all data is there, and may not be relied on."""
        self._lose(by)

    @rule()
    def forget_scripts(self) -> None:
        self.gate.client.script_flush()

    def _lose(self, by: str) -> None:
        if by == "flush":
            self.gate.client.flushall()
        else:
            self.system.restart_gate()
        for coupon in self.expected.values():
            coupon.gate_epoch = None


class Repairing(Failing):
    """Rebuilds, those that end in the middle too, and the reconciler."""

    @rule(coupon_id=coupon_ids)
    def rebuild(self, coupon_id: int) -> None:
        coupon = self.expected[coupon_id]
        if not coupon.is_rebuilt:
            assert rebuild(self.gate, self.system.ledger["reconciler"], coupon_id) is None
            return
        assert self._rebuild(coupon_id, lambda: None)
        coupon.rebuild()

    @rule(coupon_id=coupon_ids)
    def rebuild_while_marks_are_made(self, coupon_id: int) -> None:
        coupon = self.expected[coupon_id]
        if not coupon.is_rebuilt:
            return
        final: list[IssueRequest] = []

        def issue_all() -> None:
            final.extend(self.issue([coupon.event(user_id) for user_id in coupon.rows]))
            self.gate.settle(final)

        assert self._rebuild(coupon_id, issue_all)
        coupon.rebuild()

    @precondition(Failing.all_open)
    @rule(coupon_id=coupon_ids, by=st.sampled_from(["crash", "flush", "restart", "another"]))
    def rebuild_in_vain(self, coupon_id: int, by: str) -> None:
        """It ends in the middle, or what it has loaded is forgotten: the gate stays closed."""
        coupon = self.expected[coupon_id]
        if not coupon.is_rebuilt:
            return
        coupon.gate_epoch = None

        def disturb() -> None:
            if by == "crash":
                raise Interrupted
            if by == "another":
                self.rebuild(coupon_id)
            else:
                self._lose(by)

        try:
            assert not self._rebuild(coupon_id, disturb)
        except Interrupted:
            assert by == "crash"

    @rule(coupon_id=coupon_ids)
    def fence_and_die(self, coupon_id: int) -> None:
        """A rebuild ends before it has told the gate of anything."""
        if self.expected[coupon_id].is_rebuilt:
            self._fence(coupon_id)

    def _fence(self, coupon_id: int) -> Coupon:
        fenced = begin_gate_epoch(self.system.ledger["reconciler"], coupon_id)
        coupon = self.expected[coupon_id]
        assert fenced is not None
        assert fenced.gate_epoch > coupon.epoch
        coupon.epoch = fenced.gate_epoch
        return fenced

    def _rebuild(self, coupon_id: int, disturb: Callable[[], None]) -> bool:
        """disturb: called when all is read and nothing is loaded."""
        connection = self.system.ledger["reconciler"]
        fenced = self._fence(coupon_id)

        def requests() -> Iterator[IssueRequest]:
            read = list(stream_requests(connection, coupon_id))
            disturb()
            yield from read

        return open_fenced(self.gate, connection, fenced, requests())

    @rule()
    def reconcile(self) -> None:
        list(run_pass(self.gate, self.system.ledger["reconciler"], pending_after_s=0.0))
        for coupon in self.expected.values():
            if coupon.is_draft:
                continue
            if coupon.is_archived:
                assert self.gate.read(coupon.coupon_id, USERS) is GateState.MISSING
                assert not self.gate.client.keys(f"{coupon_key(coupon.coupon_id)}*")
                coupon.forget()
                continue
            if coupon.gate_epoch == coupon.epoch:
                coupon.roll_forward()
            else:
                rebuilt = find_coupon(self.system.ledger["ops"], coupon.coupon_id)
                assert rebuilt is not None
                assert rebuilt.gate_epoch > coupon.epoch
                coupon.epoch = rebuilt.gate_epoch
                coupon.rebuild()
