"""The processes of the model as the project's own code: an API process, a reconciler, a rebuild."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from psycopg.pq import TransactionStatus

from api.claim_writer import ClaimWriter
from api.ledger_connections import LedgerConnections
from coupons.errors import LedgerUnavailable, OutcomeUnknown, RedisUnavailable
from coupons.gate import Gate, rebuild
from coupons.ledger.connection import Connection
from coupons.ledger.requests import accept_requests, stream_requests
from coupons.model import Admission, Claim, IssueRequest
from operations.repair.roll_forward import roll_forward
from tests.model.replay.stepping import Ended, Stepped, SteppedGate

FOREVER_SECONDS = 600.0


class Connections:
    """To Postgres; each is used for one process of a trace at a time.

    connect: makes one that may do whatever API and reconciler may.
    """

    def __init__(self, connect: Callable[[], Connection]) -> None:
        self._connect = connect
        self._free: list[Connection] = []
        self._taken: list[Connection] = []

    def take(self) -> Connection:
        """One that holds no transaction and no lock."""
        connection = self._free.pop() if self._free else self._connect()
        self._taken.append(connection)
        return connection

    def take_back(self) -> None:
        """All of them: the trace is over."""
        while self._taken:
            connection = self._taken.pop()
            if connection.info.transaction_status != TransactionStatus.IDLE:
                connection.execute("ROLLBACK")
            connection.execute("SELECT pg_advisory_unlock_all()")
            self._free.append(connection)

    def close(self) -> None:
        """Close all."""
        for connection in [*self._free, *self._taken]:
            connection.close()


class LateWrite:
    """An INSERT that goes on although nobody waits for it."""

    def __init__(self, admission: Admission, connection: Connection, running: bool) -> None:
        self.admission = admission
        self.connection = connection
        self.running = running

    def late_runs(self) -> None:
        self.connection.execute("BEGIN")
        self._write(accepted=True)
        self.running = True

    def late_fenced(self) -> None:
        self._write(accepted=False)

    def late_commits(self) -> None:
        self.connection.execute("COMMIT")

    def late_vanishes(self) -> None:
        if self.running:
            self.connection.execute("ROLLBACK")

    def _write(self, accepted: bool) -> None:
        found = accept_requests(self.connection, [self.admission])
        assert found == ({self.admission.coupon_id} if accepted else set())


class Writer:
    """A claim on its way through code that admits, and writes in a transaction of its own.

    Its steps have the names of the model's. late: the INSERT that it left behind, if it did.
    """

    def __init__(self, gate: Gate, connections: Connections) -> None:
        self._stepped = Stepped()
        self._connections = connections
        self._connection: Connection | None = None
        self.gate = SteppedGate(gate, self._stepped)
        self.late: LateWrite | None = None

    @property
    def connection(self) -> Connection:
        if self._connection is None:
            self._connection = self._connections.take()
        return self._connection

    def send_write(self) -> None:
        """It is sent, and not there yet."""
        assert self._stepped.at in ("send", "admitted")

    def no_connection(self) -> None:
        self._refuse(LedgerUnavailable("no connection"))

    def write_fails(self) -> None:
        self._refuse(LedgerUnavailable("an error"))

    def write_runs(self) -> None:
        self._stepped.go()
        assert self._stepped.at == "commit", self._stepped.at

    def write_fenced(self) -> None:
        self.write_runs()
        self._stepped.go("commit")

    def write_commits(self, answer_lost: bool) -> None:
        self._stepped.go("commit, answer lost" if answer_lost else "commit")

    def leave_write(self) -> None:
        self._leave(OutcomeUnknown("the connection is lost"))

    def crash(self, goes_on: bool) -> None:
        if goes_on:
            self._leave(Ended())
        self._stepped.end()

    def write_again(self) -> None:
        """It stands before its next attempt already."""
        assert self._stepped.at == "send"

    def give_up(self) -> None:
        self._stepped.end()

    def compensate(self, not_done: bool) -> None:
        assert self._stepped.at == "compensate", self._stepped.at
        repeated = isinstance(self.gate.decision, Admission) and self.gate.decision.repeated
        assert bool(self.gate.given_back) is not repeated
        failing = not_done and self.gate.given_back
        self._stepped.go(RedisUnavailable("Redis is away") if failing else "")

    def end(self) -> None:
        self._stepped.end()

    @property
    def _has_begun(self) -> bool:
        return self.connection.info.transaction_status != TransactionStatus.IDLE

    def _refuse(self, error: Exception) -> None:
        self._stepped.go(error)

    def _leave(self, error: BaseException) -> None:
        running = self._stepped.at == "commit"
        assert isinstance(self.gate.decision, Admission)
        if not running and self._has_begun:
            self.connection.execute("ROLLBACK")
        self.late = LateWrite(self.gate.decision, self.connection, running)
        self._connection = None
        self._stepped.go(error)

    def _commit(self) -> None:
        """For the code: what becomes of the transaction in which it has written."""
        connection = self.connection
        try:
            order = self._stepped.stop("commit")
        except BaseException:
            if self._connection is connection:
                connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")
        if order == "commit, answer lost":
            raise OutcomeUnknown("lost after the commit")


class ApiProcess(Writer):
    """Decides claims as the API does (api/claim_writer.py)."""

    def claim(self, claim: Claim) -> None:
        """Up to where it is admitted; or to its end, with the verdict."""
        connections = _SteppedConnections(self)
        writer = ClaimWriter(self.gate, connections, FOREVER_SECONDS)
        self._stepped.begin(lambda: writer.write([claim]))

    @property
    def verdict(self) -> Any:
        """Of the claim, once it has ended."""
        [verdict] = self._stepped.result
        return verdict

    def goes_on(self) -> None:
        """It has heard the gate's answer."""
        self._stepped.go()
        assert self._stepped.at == "send"


class _SteppedConnections(LedgerConnections):
    """Lends the writer's connection; stops before and after what is done with it."""

    def __init__(self, writer: ApiProcess) -> None:
        self._writer = writer

    @contextmanager
    def lend(self) -> Iterator[Connection]:
        self._writer._stepped.stop("send")
        self._writer.connection.execute("BEGIN")
        yield self._writer.connection
        self._writer._commit()


class Forwarding(Writer):
    """Rolls forward as the reconciler does (reconciler/routine_pass.py)."""

    def roll_forward(self, coupon_id: int, user_id: int) -> None:
        """Up to where it is admitted; to its end where it is not."""

        def work() -> None:
            self.connection.execute("BEGIN")
            written = False
            try:
                roll_forward(self.gate, self.connection, coupon_id, [user_id])
                written = True
            finally:
                if not written and self._connection is not None:
                    self.connection.execute("ROLLBACK")
            self._commit()

        self._stepped.begin(work)
        if self._stepped.at == "commit":
            self._stepped.go("commit")


class Rebuild:
    """One rebuild (coupons/gate/rebuild.py), which stops before each of the model's steps."""

    def __init__(self, gate: Gate, connection: Connection) -> None:
        self._stepped = Stepped()
        self._gate = SteppedGate(gate, self._stepped, stops=("begin", "load", "open"))
        self._connection = connection

    def lock_rebuild(self, coupon_id: int) -> None:
        _READERS[id(self._connection)] = self._stepped
        self._stepped.begin(
            lambda: rebuild.rebuild(self._gate, self._connection, coupon_id)  # as by hand
        )
        assert self._stepped.at == "figures", "it has not got its lock"

    def fence(self) -> None:
        self._go("figures")
        assert self._stepped.at == "begin"

    def fence_lost(self) -> None:
        self.fence()
        self.rebuild_ends()

    def begin(self, works: bool) -> None:
        self._go("begin")
        assert (self._stepped.at == "read") is works

    def read_ledger(self) -> None:
        self._go("read")
        assert self._stepped.at in ("load", "open")

    def load(self, works: bool) -> None:
        if self._stepped.at == "load":  # else there was nothing to load
            self._go("load")
        assert (self._stepped.at == "open") is works

    def open(self, works: bool) -> None:
        self._go("open")
        assert (self._stepped.result is not None) is works

    def rebuild_ends(self) -> None:
        self._stepped.end()

    def rebuild_unlocked(self) -> None:
        self._connection.execute("SELECT pg_advisory_unlock_all()")

    def _go(self, at: str) -> None:
        assert self._stepped.at == at
        self._stepped.go()


_READERS: dict[int, Stepped] = {}
"""By the connection that it reads with: whose rebuild reads the ledger."""


def stepped_stream_requests(connection: Connection, coupon_id: int) -> Iterator[IssueRequest]:
    """For rebuild.stream_requests: stops before it reads, and reads everything at once."""
    stepped = _READERS.get(id(connection))
    if stepped is not None:
        stepped.stop("read")
    read: Sequence[IssueRequest] = list(stream_requests(connection, coupon_id))
    yield from read
