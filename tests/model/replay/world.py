"""Takes the steps of a trace on the real servers."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from api.claim_results import ClaimOutcome
from coupons.errors import LedgerUnavailable
from coupons.gate import Gate, open_coupon
from coupons.gate.values import coupon_key
from coupons.ledger.connection import Connection
from coupons.ledger.coupons import begin_gate_epoch, change_coupon, create_coupon, find_coupon
from coupons.ledger.issued_coupons import issue_or_reject
from coupons.ledger.requests import find_requests
from coupons.model import (
    Admission,
    Claim,
    Coupon,
    CouponState,
    GateState,
    IssueRequest,
    Refusal,
    Status,
)
from operations.verify.report import check_consistency
from reconciler.routine_pass import run_pass
from tests.model.replay.actors import (
    ApiProcess,
    Connections,
    Forwarding,
    LateWrite,
    Rebuild,
    Writer,
)
from tests.model.replay.seen import Servers
from tests.model.start import LONG_AGO
from tests.model.system import System

COUPON = 1
FORWARD = 2
"""The number of the reconciler among the writers."""
CLOSED, REFUSED, FINAL, NEW, REPEATED = range(5)
"""Decisions in the model."""


class World:
    """The system at the beginning of a trace; each step of the model is a method of its name."""

    def __init__(self, system: System, connections: Connections, start: dict[str, Any]) -> None:
        self._system = system
        self._connections = connections
        self._writers: dict[int, Writer] = {}
        self._admissions: Counter[int] = Counter()
        self._late: dict[int, LateWrite] = {}
        self._marks: dict[int, list[IssueRequest]] = {}
        self._rebuilds: dict[int, Rebuild] = {}
        self._on_its_way: Coupon | None = None
        system.empty()
        total = start["ledger"]["definition"][1]
        coupon = create_coupon(
            system.ledger["api"],
            coupon_id=COUPON,
            name="of the model",
            total_quantity=total,
            issue_starts_at=LONG_AGO,
            issue_ends_at=None,
            eligible_group=None,
        )
        assert coupon is not None
        assert open_coupon(self.gate, coupon)
        self.servers = Servers(self.gate, system.ledger["owner"], COUPON)
        self.servers.compare(start)

    @property
    def gate(self) -> Gate:
        return self._system.gate

    def take(self, step: dict[str, Any], after: dict[str, Any]) -> None:
        """Take the step; then the servers must hold what the model says."""
        getattr(self, step["what"])(step)
        self.servers.compare(after)

    def end(self) -> None:
        """Every process ends where it stands."""
        for writer in self._writers.values():
            writer.end()
        for rebuild in self._rebuilds.values():
            rebuild.rebuild_ends()
        self._connections.take_back()

    def come_to_rest(self) -> None:
        """The consumer and the reconciler do their work: then all books balance."""
        self.end()
        reconciler = self._system.ledger["reconciler"]
        for _ in range(3):
            list(run_pass(self.gate, reconciler, pending_after_s=0.0))
            self.gate.settle(self._issue(list(self._requests())))
        books = check_consistency(self.gate, self._system.ledger["ops"], COUPON)
        assert books is not None
        assert books.complaints == [], books

    # Claims

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

    # The consumer, and the reconciler's marks

    def issue(self, step: dict[str, Any]) -> None:
        batch = [
            self._event(user, self.servers.times.real((user, time)))
            for user, time in enumerate(step["batch"])
            if time
        ]
        self._marks[step["who"]] = self._issue(batch)

    def see_final(self, step: dict[str, Any]) -> None:
        [found] = find_requests(self._reconciler, [(COUPON, step["user"] + 1)])
        assert found.is_final
        self._marks[step["who"]] = [found]

    def mark(self, step: dict[str, Any]) -> None:
        self.gate.settle(self._marks.pop(step["who"]))

    def mark_lost(self, step: dict[str, Any]) -> None:
        del self._marks[step["who"]]

    def _issue(self, batch: list[IssueRequest]) -> list[IssueRequest]:
        return [each.request for each in issue_or_reject(self._system.ledger["consumer"], batch)]

    def _event(self, user: int, time_us: int) -> IssueRequest:
        return IssueRequest(COUPON, user + 1, time_us, Status.REQUESTED)

    def _requests(self) -> Iterator[IssueRequest]:
        keys = self._system.rows("coupon_issue_request")
        for request in find_requests(self._reconciler, sorted(keys)):
            yield self._event(request.user_id - 1, request.requested_at_us)

    # Rebuilds

    def lock_rebuild(self, step: dict[str, Any]) -> None:
        self._rebuilds[step["who"]] = Rebuild(self.gate, self._connections.take())
        self._rebuilds[step["who"]].lock_rebuild(COUPON)

    def fence(self, step: dict[str, Any]) -> None:
        self._rebuilds[step["who"]].fence()

    def fence_waits(self, step: dict[str, Any]) -> None:
        """For the transactions that write; it is not the rebuild that waits here."""
        connection = self._connections.take()
        connection.execute("SET lock_timeout = '30ms'")
        with pytest.raises(LedgerUnavailable, match="lock"):
            begin_gate_epoch(connection, COUPON)
        connection.execute("RESET lock_timeout")

    def fence_lost(self, step: dict[str, Any]) -> None:
        self._rebuilds[step["who"]].fence_lost()

    def begin(self, step: dict[str, Any]) -> None:
        self._rebuilds[step["who"]].begin(bool(step["value"]))

    def read_ledger(self, step: dict[str, Any]) -> None:
        self._rebuilds[step["who"]].read_ledger()

    def load(self, step: dict[str, Any]) -> None:
        self._rebuilds[step["who"]].load(bool(step["value"]))

    def open(self, step: dict[str, Any]) -> None:
        self._rebuilds[step["who"]].open(bool(step["value"]))

    def rebuild_ends(self, step: dict[str, Any]) -> None:
        self._rebuilds[step["who"]].rebuild_ends()

    def rebuild_unlocked(self, step: dict[str, Any]) -> None:
        self._rebuilds[step["who"]].rebuild_unlocked()

    # Administrators, and Redis

    def change(self, step: dict[str, Any]) -> None:
        changed = change_coupon(
            self._system.ledger["api"], COUPON, total_quantity=int(step["value"])
        )
        self._on_its_way = None if step["more"] else changed

    def pause(self, step: dict[str, Any]) -> None:
        state = CouponState.PAUSED if step["value"] else CouponState.OPEN
        changed = change_coupon(self._system.ledger["api"], COUPON, state=state)
        self._on_its_way = None if step["more"] else changed

    def see_definition(self, step: dict[str, Any]) -> None:
        self._on_its_way = find_coupon(self._reconciler, COUPON)

    def define(self, step: dict[str, Any]) -> None:
        assert self._on_its_way is not None
        self.gate.define(self._on_its_way)
        self._on_its_way = None

    def define_lost(self, step: dict[str, Any]) -> None:
        self._on_its_way = None

    def flush(self, step: dict[str, Any]) -> None:
        self.gate.client.flushall()

    def restart(self, step: dict[str, Any]) -> None:
        """With what an older file of the server would have held."""
        key = coupon_key(COUPON)
        epoch = int(step["value"])
        if not epoch:
            self.gate.client.flushall()
        elif step["more"]:
            held = self.gate.client.keys(f"{key}:*")
            if held:
                self.gate.client.delete(*held)
            counts = dict.fromkeys(("issued", "rejected", "admitted", "compensated"), 0)
            older = {"epoch": self.servers.epochs.real(epoch), **counts}
            self.gate.client.hset(key, mapping=older)  # type: ignore[arg-type]
        self._system.restart_gate()

    def lose_events(self, step: dict[str, Any]) -> None:
        """Of the change stream: no server here holds any."""

    def emit_again(self, step: dict[str, Any]) -> None:
        self._system.ledger["owner"].execute("SELECT * FROM cdc_emit_again(0, 0, 100)")

    @property
    def _reconciler(self) -> Connection:
        return self._system.ledger["reconciler"]
