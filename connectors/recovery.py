"""`coupon connector recover`: what it would do, and the recovery from its start to its result.

`stream_repair.py` has the steps.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from typing import NamedTuple

import psycopg

from connectors.connect import Connect
from connectors.connector_state import ConnectorState
from connectors.events import register_event_schemas
from connectors.lifecycle import CONNECTOR_NAME, await_running
from connectors.republish import Notify, count_not_final, republish
from connectors.schemas import lost_schemas
from connectors.slot import read_slot
from connectors.stream_gap import check_stream
from connectors.stream_progress import StreamProgress
from connectors.stream_repair import begin_recovery, repair_stream
from coupons.change_events.kafka_admin import KafkaAdmin
from coupons.errors import KafkaUnavailable, LedgerUnavailable, SchemaRegistryUnavailable
from coupons.kafka.client import KafkaClient
from coupons.ledger.connection import Connection, connect_ledger
from coupons.ledger.silent_sessions import WAITING_SECONDS, end_when_silent

_ANSWER_SECONDS = 150.0
_PAUSE_SECONDS = 0.5


class RecoverySettings(NamedTuple):
    """The system to recover. database_url: as the role coupon_cdc. registry_url: None: not known.

    group: the consumers' group.
    """

    connect_url: str
    kafka: KafkaClient
    database_url: str
    registry_url: str | None
    group: str


class Plan(NamedTuple):
    """What `recover` would find and do."""

    connector: str
    gap: str | None
    not_final: int

    @property
    def is_well(self) -> bool:
        """Whether there is nothing to do."""
        return self.gap is None and self.connector == "RUNNING"

    def __str__(self) -> str:
        todo = (
            "`coupon connector recover` would restart the connector from the slot and republish the"
            " requests that are not final"
            if self.gap
            else "`coupon connector recover` would make the connector run"
        )
        return "\n".join(
            [
                f"connector: {self.connector}",
                f"gap: {self.gap or 'none, the stream resumes where it stopped'}",
                f"requests that are not final: {self.not_final}",
                "there is nothing to do" if self.is_well else todo,
            ]
        )


class RecoveryResult(NamedTuple):
    """republished: requests written to the WAL again. not_final: requests that still are not."""

    connector: str
    republished: int
    not_final: int
    seconds: float

    @property
    def is_well(self) -> bool:
        """Whether the connector runs and everything is final."""
        return self.connector == "RUNNING" and self.not_final == 0

    def __str__(self) -> str:
        left = (
            "every request from before is final"
            if self.not_final == 0
            else f"{self.not_final} requests are not final yet: wait, or run `coupon doctor`"
        )
        return (
            f"connector {self.connector}; {self.republished} requests republished; {left}"
            f" ({self.seconds:.1f} s)"
        )


def plan(settings: RecoverySettings) -> Plan:
    """Check and change nothing. Raises ConnectorError or LedgerUnavailable."""
    with _ledger(settings) as connection:
        check = check_stream(Connect(settings.connect_url), connection)
        check = check._replace(schemas_lost=_schemas_lost(settings))
        connector = _summary(check.state)
        return Plan(connector, check.gap, count_not_final(connection).requests)


def recover(
    settings: RecoverySettings, emit: bool, wait_s: float, notify: Notify
) -> RecoveryResult:
    """Repair the stream, and wait until the requests from before are final.

    Raises ConnectorError, KafkaUnavailable, LedgerUnavailable or ConfigurationError.
    """
    began, before = time.monotonic(), datetime.now(UTC)
    connect = Connect(settings.connect_url)
    with _ledger(settings) as connection:
        begin_recovery(connection)
        lost = _schemas_lost(settings)
        republished = repair_stream(connect, connection, settings.kafka, emit, notify, lost)
        if lost and register_event_schemas(connect):
            notify("restarted the connector of the events for other services as well")
        left = _await_final(connection, before, wait_s, notify, _passed(settings, connection))
        if left.requests and left.passed_over and not republished:
            notify(f"the stream has passed over {left.requests} requests")
            republished = republish(connection, notify)
            left = _await_final(connection, before, wait_s, notify, lambda: False)
    # Its task may be restarting again because of the earlier fault.
    state = await_running(connect, CONNECTOR_NAME)
    return RecoveryResult(state.summary, republished, left.requests, time.monotonic() - began)


class _Left(NamedTuple):
    """Requests that are not final. passed_over: the stream is past them; waiting does not help."""

    requests: int
    passed_over: bool


def _await_final(
    connection: Connection,
    before: datetime,
    wait_s: float,
    notify: Notify,
    passed: Callable[[], bool],
) -> _Left:
    """Wait until they are final, the stream is past them, or the time is over."""
    deadline = time.monotonic() + wait_s
    last = 0
    while True:
        # Asked first: what is not final afterwards was passed over.
        is_past = passed()
        left = count_not_final(connection, before).requests
        if not left or is_past or time.monotonic() > deadline:
            return _Left(left, is_past)
        if left != last:
            last = left
            notify(f"{left} requests are not final yet")
        time.sleep(_PAUSE_SECONDS)


def _passed(settings: RecoverySettings, connection: Connection) -> Callable[[], bool]:
    """A function: whether everything that is in the WAL now has been streamed and handled."""
    now = read_slot(connection).wal_lsn
    return StreamProgress(
        KafkaAdmin(settings.kafka, settings.group),
        lambda: (read_slot(connection).confirmed_lsn or 0) >= now,
    ).is_over


def _schemas_lost(settings: RecoverySettings) -> list[str]:
    """Nothing when the registry or Kafka does not answer: the next step reports it."""
    if settings.registry_url is None:
        return []
    try:
        return lost_schemas(settings.registry_url, KafkaAdmin(settings.kafka).ends())
    except (SchemaRegistryUnavailable, KafkaUnavailable):
        return []


@contextmanager
def _ledger(settings: RecoverySettings) -> Iterator[Connection]:
    try:
        with closing(
            connect_ledger(settings.database_url, "coupon-recover", _ANSWER_SECONDS)
        ) as connection:
            end_when_silent(connection, WAITING_SECONDS)
            yield connection
    except psycopg.Error as error:
        raise LedgerUnavailable(
            f"Postgres refused: {error}; connect as coupon_cdc, after `coupon migrate`"
        ) from error


def _summary(state: ConnectorState | None) -> str:
    return "missing" if state is None else state.summary
