"""Claims, and what may become of the batch that they are written in."""

from collections.abc import Sequence

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from api.claim_results import ClaimOutcome, ClaimResult, decided_at_gate
from coupons.gate import Decision
from coupons.model import Admission, Claim
from tests.model.expected import GROUP, ExpectedCoupon
from tests.model.start import COUPONS, USERS, Start, anything
from tests.model.system import SCRIPTS, DecidedGate, Died, WatchedGate

claims = st.builds(
    Claim,
    coupon_id=st.sampled_from(COUPONS),
    user_id=st.sampled_from(USERS),
    groups=st.sampled_from([(), (GROUP,), (GROUP, "other")]),
)
batches = st.lists(claims, min_size=1, max_size=8)
scripts = st.sampled_from(SCRIPTS)


class Claiming(Start):
    """Everything that the API does with claims."""

    @rule(batch=batches, script=scripts, times=st.integers(1, 2))
    def claim(self, batch: list[Claim], script: Sequence[str], times: int) -> None:
        """times: 2 where each answer of the gate is lost once, so that the call is repeated."""
        gate = WatchedGate(self.gate, times)
        verdicts = self._verdicts(gate, batch, script)
        for decisions in gate.decided:
            self._decide(batch, decisions)
        self._write(batch, gate.decided[-1], script, verdicts)

    @rule(batch=batches)
    def claim_and_be_slow(self, batch: list[Claim]) -> None:
        """Admitted; the write is on its way and arrives whenever it likes, or never."""
        decisions = self.gate.admit(batch)
        self._decide(batch, decisions)
        self.on_their_way.append((batch, decisions))

    @precondition(lambda self: self.on_their_way)
    @rule(which=anything, script=scripts, again=st.booleans())
    def arrive(self, which: int, script: Sequence[str], again: bool) -> None:
        place = which % len(self.on_their_way)
        batch, decisions = self.on_their_way[place] if again else self.on_their_way.pop(place)
        verdicts = self._verdicts(DecidedGate(self.gate, decisions), batch, script)
        self._write(batch, decisions, script, verdicts)

    def _verdicts(
        self, gate: WatchedGate | DecidedGate, batch: list[Claim], script: Sequence[str]
    ) -> list[ClaimResult] | None:
        try:
            return self.system.write(gate, batch, script)
        except Died:
            return None

    def _decide(self, batch: list[Claim], decisions: list[Decision]) -> None:
        for claim, decision in zip(batch, decisions, strict=True):
            self.expected[claim.coupon_id].decide(claim, decision)

    def _write(
        self,
        batch: list[Claim],
        decisions: list[Decision],
        script: Sequence[str],
        verdicts: list[ClaimResult] | None,
    ) -> None:
        """Expect what the script has made of a batch with these decisions."""
        admitted: dict[int, list[Admission]] = {}
        for decision in decisions:
            if isinstance(decision, Admission):
                admitted.setdefault(decision.coupon_id, []).append(decision)
        troubles = {
            coupon_id: self._attempt(self.expected[coupon_id], admissions, script)
            for coupon_id, admissions in admitted.items()
        }
        if verdicts is None:
            assert "die" in script[-1]
            return
        for claim, decision, verdict in zip(batch, decisions, verdicts, strict=True):
            if not isinstance(decision, Admission):
                assert verdict == decided_at_gate(decision)
            elif trouble := troubles[claim.coupon_id]:
                assert verdict == ClaimResult(trouble), (claim, verdict, trouble)
            else:
                assert verdict.outcome in ("accepted", "repeated"), (claim, verdict)
            if verdict.request is not None:
                self.promised.add(claim[:2])

    def _attempt(
        self, coupon: ExpectedCoupon, admissions: list[Admission], script: Sequence[str]
    ) -> ClaimOutcome | None:
        for step in script:
            if step == "ok" or "commit" in step:
                accepted = coupon.accept(admissions)
        if script == ["refuse"]:
            coupon.give_back(admissions)
            return ClaimOutcome.LEDGER_UNAVAILABLE
        if script == ["ok"] and not accepted:
            coupon.give_back(admissions)
            return ClaimOutcome.EPOCH_OVER
        return None if script[-1] == "ok" and accepted else ClaimOutcome.OUTCOME_UNKNOWN
