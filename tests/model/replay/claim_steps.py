"""The steps of claims: API processes and the reconciler as writers."""

from typing import Any

from api.claim_results import ClaimOutcome
from coupons.ledger.requests import find_requests
from coupons.model import Admission, Claim, GateState, Refusal
from tests.model.replay.actors import ApiProcess, Forwarding, Writer
from tests.model.replay.standing import COUPON, Standing

FORWARD = 2
"""The number of the reconciler among the writers."""
CLOSED, REFUSED, FINAL, NEW, REPEATED = range(5)
"""Decisions in the model."""


class ClaimSteps(Standing):
    """Each step of the model is a method of its name."""

    def claim(self, step: dict[str, Any]) -> None:
        writer = ApiProcess(self.gate, self._connections)
        writer.claim(Claim(COUPON, step["user"] + 1))
        self._writers[step["who"]] = writer
        if step["value"] not in (NEW, REPEATED):
            outcomes: dict[int, set[str]] = {
                CLOSED: set(GateState),
                REFUSED: set(Refusal),
                FINAL: {ClaimOutcome.FINAL},
            }
            assert writer.verdict.outcome in outcomes[step["value"]]
            return
        self._admitted(writer, step)
        writer.end() if step["more"] else writer.goes_on()

    def see_pending(self, step: dict[str, Any]) -> None:
        pending = self.gate.pending_before(COUPON, self.gate.now_us(), 100)
        assert step["user"] + 1 in [request.user_id for request in pending]

    def find_row(self, step: dict[str, Any]) -> None:
        found = find_requests(self._reconciler, [(COUPON, step["user"] + 1)])
        assert len(found) == step["value"]

    def roll_forward(self, step: dict[str, Any]) -> None:
        writer = Forwarding(self.gate, self._connections)
        writer.roll_forward(COUPON, step["user"] + 1)
        self._writers[FORWARD] = writer
        if step["value"] in (NEW, REPEATED):
            self._admitted(writer, step)
        if step["more"]:
            writer.end()

    def _admitted(self, writer: Writer, step: dict[str, Any]) -> None:
        decision = writer.gate.decision
        assert isinstance(decision, Admission)
        assert decision.repeated is (step["value"] == REPEATED)
        if not decision.repeated:  # the model counts the admissions of each user
            self._admissions[step["user"]] += 1
            small = (step["user"], self._admissions[step["user"]])
            self.servers.times.meet(small, decision.requested_at_us)

    def send_write(self, step: dict[str, Any]) -> None:
        self._writers[step["who"]].send_write()

    def no_connection(self, step: dict[str, Any]) -> None:
        self._refused(step, "no_connection")

    def write_fails(self, step: dict[str, Any]) -> None:
        self._refused(step, "write_fails")

    def _refused(self, step: dict[str, Any], how: str) -> None:
        writer = self._writers[step["who"]]
        writer.end() if step["who"] == FORWARD else getattr(writer, how)()

    def write_again(self, step: dict[str, Any]) -> None:
        self._writers[step["who"]].write_again()

    def give_up(self, step: dict[str, Any]) -> None:
        self._writers[step["who"]].give_up()

    def write_fenced(self, step: dict[str, Any]) -> None:
        self._writers[step["who"]].write_fenced()

    def write_runs(self, step: dict[str, Any]) -> None:
        self._writers[step["who"]].write_runs()

    def write_commits(self, step: dict[str, Any]) -> None:
        writer = self._writers[step["who"]]
        lost = bool(step["value"])
        if step["who"] == FORWARD:
            writer.write_commits(answer_lost=False)
            return
        writer.write_commits(lost)
        if not lost and isinstance(writer, ApiProcess):
            assert writer.verdict.outcome in (ClaimOutcome.ACCEPTED, ClaimOutcome.REPEATED)

    def leave_write(self, step: dict[str, Any]) -> None:
        writer = self._writers[step["who"]]
        writer.crash(goes_on=True) if step["who"] == FORWARD else writer.leave_write()
        self._leave_behind(writer)

    def compensate(self, step: dict[str, Any]) -> None:
        self._writers[step["who"]].compensate(not_done=bool(step["value"]))

    def crash(self, step: dict[str, Any]) -> None:
        writer = self._writers.get(step["who"])
        if writer is not None:
            writer.crash(goes_on=bool(step["value"]))
            self._leave_behind(writer)

    def _leave_behind(self, writer: Writer) -> None:
        if writer.late is not None:
            free = next(i for i in range(len(self._late) + 1) if i not in self._late)
            self._late[free], writer.late = writer.late, None

    def late_runs(self, step: dict[str, Any]) -> None:
        self._late[step["who"]].late_runs()

    def late_fenced(self, step: dict[str, Any]) -> None:
        self._late.pop(step["who"]).late_fenced()

    def late_commits(self, step: dict[str, Any]) -> None:
        self._late.pop(step["who"]).late_commits()

    def late_vanishes(self, step: dict[str, Any]) -> None:
        self._late.pop(step["who"]).late_vanishes()
