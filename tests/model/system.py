"""The real gate and ledger, with failures where a script wants them."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from datetime import timedelta

from psycopg import sql

from api.claim_results import ClaimResult
from api.claim_writer import ClaimWriter
from api.ledger_connections import LedgerConnections
from coupons.errors import LedgerUnavailable, OutcomeUnknown
from coupons.gate import Decision, Gate, connect_gate
from coupons.ledger.connection import Connection, connect_ledger, ledger_pool
from coupons.model import Admission, Claim, IssueRequest
from tests.support.databases import Database
from tests.support.servers import ValkeyServer

ROLES = ("owner", "api", "consumer", "reconciler", "ops")
SCRIPTS = (
    ["ok"],
    ["ok"],
    ["ok"],
    ["refuse"],
    ["die"],
    ["commit and die"],
    ["lose"],
    ["commit and lose"],
    ["lose", "ok"],
    ["commit and lose", "ok"],
    ["lose", "refuse", "ok"],
)
"""What becomes of each attempt to write a batch; after the last attempt the API gives up."""


LIFE_TIMES = {
    "coupon": ("created_at", "valid_until"),
    "issued_coupon": ("issued_at",),
    "issued_coupon_change": ("changed_at",),
    "coupon_code": ("given_at",),
    "coupon_expiry_walk": ("began_at", "seen_due_at", "unseen_due_at"),
}
"""Columns by table."""


class Died(BaseException):
    """An API process ended here."""


class ScriptedConnections(LedgerConnections):
    """Lends one connection; each attempt goes as the script says."""

    def __init__(self, connection: Connection, script: Sequence[str]) -> None:
        self._connection = connection
        self._script = iter(script)

    @contextmanager
    def lend(self) -> Iterator[Connection]:
        step = next(self._script)
        if step == "die":
            raise Died
        if step == "refuse":
            raise LedgerUnavailable("Postgres could not do it")
        if step == "lose":
            raise OutcomeUnknown("lost before the commit")
        yield self._connection
        if step == "commit and lose":
            raise OutcomeUnknown("lost after the commit")
        if step == "commit and die":
            raise Died


class WatchedGate(Gate):
    """Keeps its decisions. times: how often it makes a call, whose earlier answers are lost."""

    def __init__(self, gate: Gate, times: int) -> None:
        super().__init__(gate.client)
        self.decided: list[list[Decision]] = []
        self._times = times

    def admit(self, claims: Sequence[Claim]) -> list[Decision]:
        for _ in range(self._times):
            self.decided.append(super().admit(claims))
        return self.decided[-1]

    def compensate(self, admissions: Iterable[Admission]) -> int:
        admissions = list(admissions)
        return sum(super(WatchedGate, self).compensate(admissions) for _ in range(self._times))

    def settle(self, requests: Iterable[IssueRequest]) -> int:
        requests = list(requests)
        return sum(super(WatchedGate, self).settle(requests) for _ in range(self._times))


class DecidedGate(Gate):
    """Has decided already: the claims are on their way to the ledger since."""

    def __init__(self, gate: Gate, decisions: list[Decision]) -> None:
        super().__init__(gate.client)
        self._decisions = decisions

    def admit(self, claims: Sequence[Claim]) -> list[Decision]:
        return self._decisions


class System:
    """Gate and ledger, empty, and a connection for each role."""

    def __init__(self, server: ValkeyServer, database: Database) -> None:
        self.server = server
        self._open = ExitStack()
        self.ledger: dict[str, Connection] = {
            role: self._open.enter_context(
                closing(connect_ledger(database.url(f"coupon_{role}"), "model"))
            )
            for role in ROLES
        }
        for connection in self.ledger.values():
            # Postgres does not crash here.
            connection.execute("SET synchronous_commit = off")
        self.gate = connect_gate(server.url)
        self.pool = self._open.enter_context(
            closing(ledger_pool(database.url("coupon_api"), "model", 2))
        )

    def close(self) -> None:
        self._open.close()

    def empty(self) -> None:
        """Forget everything, on both sides."""
        self.gate.client.flushall()
        self.ledger["owner"].execute(
            "TRUNCATE coupon, coupon_issue_request, issued_coupon, issue_rejection, erasure CASCADE"
        )

    def set_terms(self, coupon_id: int, days: int | None, until: int | None) -> None:
        """Of a coupon. until: in so many days.

        By the owner, who may end it while it can be claimed, and move an end that has passed.
        """
        self.ledger["owner"].execute(
            "UPDATE coupon SET valid_for_days = %s, valid_until = now() + %s WHERE coupon_id = %s",
            [days, None if until is None else timedelta(days=until), coupon_id],
        )

    def let_time_pass(self, passed: timedelta) -> None:
        """Move every time that the life of an issued coupon depends on so far back."""
        owner = self.ledger["owner"]
        with owner.transaction():
            owner.execute("ALTER TABLE coupon DISABLE TRIGGER coupon_validity_only_grows")
            for table, columns in LIFE_TIMES.items():
                moved = ", ".join(f"{column} = {column} - %(passed)s" for column in columns)
                owner.execute(f"UPDATE {table} SET {moved}".encode(), {"passed": passed})
            owner.execute("ALTER TABLE coupon ENABLE TRIGGER coupon_validity_only_grows")

    def restart_gate(self) -> None:
        """Kill the server and start it with what it has kept."""
        self.server.kill()
        self.server.start()

    def write(
        self, gate: Gate, claims: Sequence[Claim], script: Sequence[str]
    ) -> list[ClaimResult]:
        """As the API does. Raises Died where the script says so."""
        unknown_outcome_seconds = 60.0 if len(script) > 1 else 0.0
        connections = ScriptedConnections(self.ledger["api"], script)
        return ClaimWriter(gate, connections, unknown_outcome_seconds).write(claims)

    def rows(self, table: str) -> set[tuple[int, int]]:
        """Coupon and user of each row of a table."""
        statement = sql.SQL("SELECT coupon_id, user_id FROM {}").format(sql.Identifier(table))
        return set(self.ledger["owner"].execute(statement))
