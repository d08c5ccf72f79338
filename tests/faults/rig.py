"""Gate, ledger, the API's writer and the consumer's handler in this process, without Kafka.

The history gets the responses and the evidence what the servers hold, so the checkers of the
complete stack can check a scenario of a few lines.
"""

import shutil
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from api.claim_results import ClaimResult, decided_at_gate
from cdc_consumer.handling import BatchHandler
from cdc_consumer.records import Record
from chaos.evidence import Evidence
from chaos.history import History, Response, Stock
from chaos.stores import read_gate, read_ledger
from chaos.topics import Delivered
from chaos.verdict import violations
from coupons.gate import Decision, Gate, open_coupon
from coupons.ids import request_id
from coupons.ledger.coupons import change_coupon, create_coupon
from coupons.ledger.requests import stream_requests
from coupons.model import Claim, IssueRequest, Refusal
from reconciler.routine_pass import run_pass
from tests.model.system import DecidedGate, System
from tests.support.events import request_records

COUPON = 1


class Rig:
    """One coupon, the history of its callers, and the log of change events."""

    def __init__(self, system: System, handler: BatchHandler) -> None:
        self.system = system
        self.handler = handler
        self.history = History()
        self.log: list[tuple[IssueRequest, Record]] = []
        self.committed = 0
        system.empty()

    def open(self, total: int) -> None:
        """Create a coupon with this total."""
        coupon = create_coupon(
            self.system.ledger["api"],
            coupon_id=COUPON,
            name="of a rig",
            total_quantity=total,
            issue_starts_at=None,
            issue_ends_at=None,
            eligible_group=None,
        )
        assert coupon is not None
        assert open_coupon(self.system.gate, coupon)
        self.history.stocks[COUPON] = [Stock(total, 0.0, 0.0)]

    def lower(self, total: int, role: str = "api") -> None:
        """Change the total, in the ledger and at the gate.

        role: only the owner may lower it below what is accepted.
        """
        changed = change_coupon(self.system.ledger[role], COUPON, total_quantity=total)
        assert changed is not None
        self.system.gate.define(changed)
        now = time.monotonic()
        self.history.stocks[COUPON].append(Stock(total, now, now))

    def claim(self, *users: int, script: Sequence[str] = ("ok",)) -> None:
        """Claim in one batch; `script` decides the result of each write."""
        self._claim(self.system.gate, users, script)

    def admit(self, *users: int) -> list[Decision]:
        """The first half of a claim; `arrive` is the second half."""
        return self.system.gate.admit([Claim(COUPON, user) for user in users])

    def arrive(self, decisions: list[Decision], *users: int) -> None:
        """Write claims that were admitted earlier."""
        self._claim(DecidedGate(self.system.gate, decisions), users, ("ok",))

    def _claim(self, gate: Gate, users: Sequence[int], script: Sequence[str]) -> None:
        claims = [Claim(COUPON, user) for user in users]
        began = time.monotonic()
        verdicts = self.system.write(gate, claims, script)
        self.history.add(
            _response(claim, verdict, began)
            for claim, verdict in zip(claims, verdicts, strict=True)
        )

    def ask(self, *users: int) -> None:
        """Have users read their requests."""
        found = self.system.gate.read(COUPON, users)
        assert isinstance(found, list)
        now = time.monotonic()
        self.history.add(
            _response(Claim(COUPON, user), decided_at_gate(request), now)
            for user, request in zip(users, found, strict=True)
            if request is not None
        )

    def reconcile(self) -> None:
        """Run one pass of the reconciler."""
        list(run_pass(self.system.gate, self.system.ledger["reconciler"], pending_after_s=0.0))

    def restore_gate(self, from_: Path) -> None:
        """Restart the gate's server with older data, as a failover to a late replica would."""
        data = self._gate_data
        self.system.server.kill()
        shutil.rmtree(data)
        shutil.copytree(from_, data)
        self.system.server.start()

    def save_gate(self, to: Path) -> Path:
        """Copy the gate's data, with everything that was written until now."""
        # On a busy disk Redis responds before its append-only file has the write.
        with self.system.gate.client.pipeline(transaction=False) as pipeline:
            pipeline.set("saved", "", px=1)
            pipeline.execute_command("WAITAOF", 1, 0, 10_000)  # type: ignore[no-untyped-call]
            _, [in_file, _] = pipeline.execute()
        assert in_file == 1, "the append-only file was not written within 10 s"
        shutil.copytree(self._gate_data, to)
        return to

    @property
    def _gate_data(self) -> Path:
        return self.system.server.folder.path / "valkey"

    def stream(self) -> list[Record]:
        """The log, after adding new rows to it."""
        known = {request.user_id for request, _ in self.log}
        rows = stream_requests(self.system.ledger["ops"], COUPON)
        for row in sorted(rows, key=lambda each: each.requested_at_us):
            if row.user_id not in known:
                [record] = request_records(COUPON, [row.user_id], row.requested_at_us)
                self.log.append((row, record._replace(offset=len(self.log))))
        return [record for _, record in self.log]

    def consume(self) -> None:
        """Handle the records that are not committed yet, and commit them."""
        records = self.stream()[self.committed :]
        self.handler.handle(records)
        self.committed += len(records)

    def violations(self) -> list[str]:
        """The violations of every promise, after everything is settled."""
        self.reconcile()
        self.consume()
        unavailable, at_gate = read_gate(self.system.gate, [COUPON])
        evidence = Evidence(
            **read_ledger(self.system.ledger["owner"], [COUPON]),
            at_gate=at_gate,
            unavailable=unavailable,
            delivered=[
                Delivered((0, offset), request[:2]) for offset, (request, _) in enumerate(self.log)
            ],
            committed={0: self.committed},
        )
        return violations(self.history, evidence)


def broken(complaints: Iterable[str]) -> set[str]:
    """The names of the checkers that complain."""
    return {complaint.partition(":")[0] for complaint in complaints}


def _response(claim: Claim, result: ClaimResult, began: float) -> Response:
    status, reason, request_status = 503, str(result.outcome), ""
    if result.request is not None:
        status, reason, request_status = 202, "", str(result.request.status)
    elif str(result.outcome) in set(Refusal):
        status = 409
    location = f"/issue-requests/{request_id(*claim[:2])}"
    now = time.monotonic()
    return Response(*claim[:2], status, reason, request_status, location, began, now, time.time())
