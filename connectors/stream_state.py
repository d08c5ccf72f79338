"""How far the change stream is: slot, connector, consumer group, newest heartbeat."""

from typing import NamedTuple

from connectors.slot import SLOT, Slot, read_slot
from connectors.stream_health import check_stream_health
from coupons.endpoints import Endpoints
from coupons.errors import KafkaUnavailable
from coupons.gate import Gate
from coupons.heartbeat import read_heartbeat
from coupons.kafka_admin import GROUP, KafkaAdmin
from coupons.ledger.connection import Connection
from coupons.ledger.unfinished import read_clock_us


class StreamState(NamedTuple):
    """As it was just now.

    now_us: by the ledger's clock, microseconds since 1970. heartbeat_us: when the newest
    heartbeat that came through was written, by the same clock. connector: its state in words.
    records_behind: events in Kafka that the consumers have not committed; None: Kafka is away,
    see kafka_trouble.
    """

    slot: Slot
    now_us: int
    connector: str
    connector_runs: bool
    heartbeat_us: int | None
    records_behind: int | None
    kafka_trouble: str | None

    def has_passed(self, moment_us: int) -> bool:
        """Whether everything that was committed before this moment has been consumed.

        A heartbeat is a row as any other: when a younger one came through, Debezium has read past
        the older rows, and when the group is not behind, their events have been handled.
        """
        return (
            self.heartbeat_us is not None
            and self.heartbeat_us > moment_us
            and self.records_behind == 0
        )

    @property
    def unknown(self) -> list[str]:
        """What could not be looked at, or stands still, so that nothing can be said of it."""
        told = [self.kafka_trouble] if self.kafka_trouble else []
        if not self.connector_runs:
            told.append(f"the connector does not run: {self.connector}")
        return told

    @property
    def faults(self) -> list[str]:
        """What loses events."""
        if self.slot.exists and not self.slot.is_lost:
            return []
        what = "has lost WAL that it needs" if self.slot.exists else "is gone"
        return [f"the replication slot {SLOT} {what}: `coupon connector recover` mends it"]


def read_stream_state(
    where: Endpoints, gate: Gate, connection: Connection, group: str = GROUP
) -> StreamState:
    """Ask them all. Raises GateUnavailable or LedgerUnavailable; what else is away is told."""
    behind, trouble = None, None
    flow = check_stream_health(where)
    # The heartbeat before the group: what it vouches for is in Kafka when the group is asked.
    heartbeat_us = read_heartbeat(gate.client)
    try:
        behind = KafkaAdmin(where.kafka_client()).consuming(group).lag
    except KafkaUnavailable as error:
        trouble = str(error)
    return StreamState(
        read_slot(connection),
        read_clock_us(connection),
        flow.connector,
        flow.connector_runs,
        heartbeat_us,
        behind,
        trouble,
    )
