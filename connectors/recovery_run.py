"""`coupon connector recover` from its beginning to its result."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from typing import NamedTuple

import psycopg

from connectors.connect import Connect
from connectors.recovery import begin_recovery, check_stream, count_not_final, recover, republish
from connectors.register import CONNECTOR_NAME, await_running
from connectors.schemas import lost_schemas
from connectors.slot import read_slot
from connectors.state import ConnectorState
from connectors.stream_progress import StreamProgress
from coupons.errors import KafkaUnavailable, LedgerUnavailable, SchemaRegistryUnavailable
from coupons.kafka import KafkaClient
from coupons.kafka_admin import KafkaAdmin
from coupons.ledger.connection import Connection, connect_ledger
from coupons.ledger.silent_sessions import WAITING_SECONDS, end_when_silent

_ANSWER_SECONDS = 150.0
_PAUSE_SECONDS = 0.5


class RecoverySettings(NamedTuple):
    """Where to recover. database_url: as the role coupon_cdc. registry_url: None: not known.

    group: of the consumers.
    """

    connect_url: str
    kafka: KafkaClient
    database_url: str
    registry_url: str | None
    group: str


class Plan(NamedTuple):
    """What `run` would find and do."""

    connector: str
    gap: str | None
    not_final: int

    @property
    def is_well(self) -> bool:
        """Whether there is nothing to do."""
        return self.gap is None and self.connector == "RUNNING"

    def __str__(self) -> str:
        todo = (
            "`coupon connector recover` would make the connector begin anew, and have the requests"
            " that are not final streamed again"
            if self.gap
            else "`coupon connector recover` would make it run"
        )
        return "\n".join(
            [
                f"connector: {self.connector}",
                f"gap: {self.gap or 'none, the stream goes on where it was'}",
                f"requests that are not final: {self.not_final}",
                "there is nothing to do" if self.is_well else todo,
            ]
        )


class RecoveryResult(NamedTuple):
    """republished: requests written to the WAL again. not_final: how many still are not."""

    connector: str
    republished: int
    not_final: int
    seconds: float

    @property
    def is_well(self) -> bool:
        """Whether the way back led all the way."""
        return self.connector == "RUNNING" and self.not_final == 0

    def __str__(self) -> str:
        left = (
            "every request that was there is final"
            if self.not_final == 0
            else f"{self.not_final} requests are not final yet: wait, or ask `coupon doctor`"
        )
        return (
            f"connector {self.connector}; {self.republished} requests streamed again; {left}"
            f" ({self.seconds:.1f} s)"
        )


def plan(where: RecoverySettings) -> Plan:
    """Look, and change nothing. Raises ConnectorError or LedgerUnavailable."""
    with _ledger(where) as connection:
        look = check_stream(Connect(where.connect_url), connection)
        look = look._replace(schemas_lost=_schemas_lost(where))
        return Plan(_told(look.state), look.gap, count_not_final(connection).requests)


def run(
    where: RecoverySettings, emit: bool, wait_s: float, tell: Callable[[str], None]
) -> RecoveryResult:
    """Recover, and wait until what was there is final.

    Raises ConnectorError, KafkaUnavailable, LedgerUnavailable or ConfigurationError.
    """
    began, before = time.monotonic(), datetime.now(UTC)
    connect = Connect(where.connect_url)
    with _ledger(where) as connection:
        begin_recovery(connection)
        republished = recover(connect, connection, where.kafka, emit, tell, _schemas_lost(where))
        left = _await_final(connection, before, wait_s, tell, _passed(where, connection))
        if left.requests and left.passed_over and not republished:
            tell(f"the stream has passed over {left.requests} requests")
            republished = republish(connection, tell)
            left = _await_final(connection, before, wait_s, tell, lambda: False)
    # Its task may just be restarting again, because of what was wrong before.
    state = await_running(connect, CONNECTOR_NAME)
    return RecoveryResult(state.told, republished, left.requests, time.monotonic() - began)


class _Left(NamedTuple):
    """Requests that are not final, and whether waiting for them is in vain."""

    requests: int
    passed_over: bool


def _await_final(
    connection: Connection,
    before: datetime,
    wait_s: float,
    tell: Callable[[str], None],
    passed: Callable[[], bool],
) -> _Left:
    """Until they are final, or the stream is beyond them, or the time is over."""
    deadline = time.monotonic() + wait_s
    told = 0
    while True:
        # Asked first: what is not final after that was passed over.
        is_beyond = passed()
        left = count_not_final(connection, before).requests
        if not left or is_beyond or time.monotonic() > deadline:
            return _Left(left, is_beyond)
        if left != told:
            told = left
            tell(f"{told} requests are not final yet")
        time.sleep(_PAUSE_SECONDS)


def _passed(where: RecoverySettings, connection: Connection) -> Callable[[], bool]:
    """Tells whether everything that is in the WAL by now has been streamed and handled."""
    now = read_slot(connection).wal_lsn
    return StreamProgress(
        KafkaAdmin(where.kafka),
        where.group,
        lambda: (read_slot(connection).confirmed_lsn or 0) >= now,
    ).is_over


def _schemas_lost(where: RecoverySettings) -> list[str]:
    """Nothing when registry or Kafka cannot be asked: what follows says so."""
    if where.registry_url is None:
        return []
    try:
        return lost_schemas(where.registry_url, KafkaAdmin(where.kafka).ends())
    except (SchemaRegistryUnavailable, KafkaUnavailable):
        return []


@contextmanager
def _ledger(where: RecoverySettings) -> Iterator[Connection]:
    try:
        with closing(
            connect_ledger(where.database_url, "coupon-recover", _ANSWER_SECONDS)
        ) as connection:
            end_when_silent(connection, WAITING_SECONDS)
            yield connection
    except psycopg.Error as error:
        raise LedgerUnavailable(
            f"Postgres refused: {error}; ask it as coupon_cdc, after `coupon migrate`"
        ) from error


def _told(state: ConnectorState | None) -> str:
    return "missing" if state is None else state.told
