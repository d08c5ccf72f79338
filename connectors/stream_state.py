"""How far the change stream is: connector, newest heartbeat, slot, consumer group."""

import time
from collections.abc import Mapping
from threading import Thread
from typing import NamedTuple

from connectors.lifecycle import status
from connectors.slot import SLOT, Slot, read_slot
from coupons.change_events.kafka_admin import GROUP, KafkaAdmin
from coupons.endpoints import Endpoints
from coupons.errors import CouponError, KafkaUnavailable
from coupons.gate import Gate, connect_gate
from coupons.gate.heartbeat import read_heartbeat
from coupons.ledger.connection import Connection
from coupons.ledger.unfinished import read_clock_us

CONNECT_DEADLINE_SECONDS = 5.0


class StreamHealth(NamedTuple):
    """What `coupon status` shows, also while servers are down.

    connector: its state, or why it is not known. heartbeat_age_seconds: None: not known.
    """

    connector: str
    connector_runs: bool
    heartbeat_age_seconds: float | None

    def __str__(self) -> str:
        age = self.heartbeat_age_seconds
        heartbeat = "no heartbeat seen" if age is None else f"newest heartbeat {age:.1f} s old"
        return f"connector {self.connector}; {heartbeat}"


class StreamState(NamedTuple):
    """What `coupon verify` needs in order to explain requests in flight.

    connector: its state in words. now_us: the ledger's clock, microseconds since 1970.
    heartbeat_us: when the newest heartbeat that came through was written, by the same clock.
    records_behind: events in Kafka that the consumers have not committed; None: Kafka does not
    answer, see kafka_error.
    """

    slot: Slot
    now_us: int
    connector: str
    connector_runs: bool
    heartbeat_us: int | None
    records_behind: int | None
    kafka_error: str | None

    def has_passed(self, moment_us: int) -> bool:
        """Whether everything that was committed before this moment has been consumed.

        A heartbeat is a row like any other. When a newer one came through, Debezium has read past
        the older rows; when the group is not behind, their events have been handled.
        """
        return (
            self.heartbeat_us is not None
            and self.heartbeat_us > moment_us
            and self.records_behind == 0
        )

    @property
    def unknown(self) -> list[str]:
        """What could not be checked, or is stopped, so that the stream's state is not known."""
        lines = [self.kafka_error] if self.kafka_error else []
        if not self.connector_runs:
            lines.append(f"the connector does not run: {self.connector}")
        return lines

    @property
    def losses(self) -> list[str]:
        """What loses events."""
        if self.slot.exists and not self.slot.is_lost:
            return []
        what = "has lost WAL that it needs" if self.slot.exists else "is gone"
        return [f"the replication slot {SLOT} {what}: `coupon connector recover` repairs it"]


def read_stream_health(where: Mapping[str, str]) -> StreamHealth:
    """Read from Connect and Redis; never raises because a server is down."""
    connector = _ConnectorQuery(where)
    age = _heartbeat_age(where)
    return StreamHealth(*connector.result(), age)


def read_stream_state(
    where: Endpoints, gate: Gate, connection: Connection, group: str = GROUP
) -> StreamState:
    """Other servers that are down are in the result. Raises RedisUnavailable, LedgerUnavailable."""
    behind, kafka_error = None, None
    connector, connector_runs = _ConnectorQuery(where).result()
    # The heartbeat before the group: what it proves to be in Kafka is there when the group is read.
    heartbeat_us = read_heartbeat(gate.client)
    try:
        behind = KafkaAdmin(where.kafka_client(), group).consuming().lag
    except KafkaUnavailable as error:
        kafka_error = str(error)
    return StreamState(
        read_slot(connection),
        read_clock_us(connection),
        connector,
        connector_runs,
        heartbeat_us,
        behind,
        kafka_error,
    )


class _ConnectorQuery:
    """Asks Connect on a thread: a Connect that hangs does not keep the command from ending."""

    def __init__(self, where: Mapping[str, str]) -> None:
        no_answer = f"not known: no answer within {CONNECT_DEADLINE_SECONDS:.0f} s"
        self._results = [(no_answer, False)]
        self._thread = Thread(target=self._ask, args=(where,), daemon=True)
        self._thread.start()

    def result(self) -> tuple[str, bool]:
        """Its state in words, and whether it runs; waits for the answer up to the deadline."""
        self._thread.join(CONNECT_DEADLINE_SECONDS)
        return self._results[-1]

    def _ask(self, where: Mapping[str, str]) -> None:
        try:
            state = status(where["COUPON_CONNECT_URL"])
        except CouponError as error:
            self._results.append((f"not known: {error}", False))
        else:
            self._results.append((state.summary, state.is_running))


def _heartbeat_age(where: Mapping[str, str]) -> float | None:
    try:
        heartbeat_us = read_heartbeat(connect_gate(where["COUPON_REDIS_URL"]).client)
    except CouponError:
        return None
    return None if heartbeat_us is None else time.time() - heartbeat_us / 1_000_000
