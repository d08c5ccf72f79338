"""The connector comes late, restarts, is away for a while, or loses its slot: never a gap."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from connectors.connect import Connect
from connectors.connector_state import existing_state
from connectors.lifecycle import restart
from connectors.register import CONNECTOR_FILE, register
from coupons.change_events.kafka_admin import KafkaAdmin
from coupons.kafka.client import KafkaClient
from coupons.ledger.connection import Connection, connect_ledger
from coupons.waiting import eventually
from stack.disposable import DisposableStack
from tests.pipeline.pipeline import (
    FINAL_WITHIN_SECONDS,
    Pipeline,
    next_record,
    read_topic,
)


@dataclass(frozen=True)
class OwnConnector:
    """The project's connector, under another name, with a slot and topics of its own."""

    name: str
    file: Path
    topic: str
    database: Connection

    def make_slot(self) -> None:
        self.database.execute(
            "SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", [self.name]
        )

    def drop_slot(self) -> None:
        """When nobody reads from it any more."""
        self.database.execute("SELECT pg_drop_replication_slot(%s)", [self.name])


@pytest.fixture
def own_connector(stack: DisposableStack, tmp_path: Path) -> Iterator[OwnConnector]:
    """Not registered, its slot not made; both are gone afterwards."""
    name = f"test_{time.time_ns()}"
    connector = json.loads(CONNECTOR_FILE.read_text())
    connector["name"] = name
    connector["config"].update({"slot.name": name, "topic.prefix": name})
    file = tmp_path / "connector.json"
    file.write_text(json.dumps(connector))
    connect = Connect(stack.environment["COUPON_CONNECT_URL"])
    with connect_ledger(stack.database_url("cdc"), "test") as database:
        own = OwnConnector(name, file, f"{name}.public.coupon_issue_request", database)
        yield own
        connect.call("DELETE", f"/connectors/{name}")
        eventually(lambda: slot_is_gone(own), 30)


def slot_is_gone(own: OwnConnector) -> bool:
    try:
        own.drop_slot()
    except psycopg.errors.UndefinedObject:
        return True
    except psycopg.errors.ObjectInUse as error:
        raise OSError(str(error)) from error
    return True


def test_rows_older_than_the_connector_are_delivered(
    stack: DisposableStack, pipeline: Pipeline, own_connector: OwnConnector
) -> None:
    """Rows written before the connector is first registered are delivered."""
    own_connector.make_slot()
    pipeline.request(range(1, 501))
    servers = stack.environment["COUPON_KAFKA_BOOTSTRAP_SERVERS"]
    register(stack.environment["COUPON_CONNECT_URL"], KafkaClient(servers), own_connector.file)
    reader = read_topic(servers, own_connector.topic, own_connector.name)
    delivered: set[bytes] = set()

    def all_delivered() -> bool:
        while (record := next_record(reader)) is not None:
            delivered.add(record.key() or b"")
        return len(delivered) == 500

    eventually(all_delivered, 60)
    reader.close()


@pytest.mark.parametrize("made_anew", [False, True], ids=["and stays lost", "and is made anew"])
def test_a_slot_that_is_lost_stops_the_connector_with_an_error(
    stack: DisposableStack, pipeline: Pipeline, own_connector: OwnConnector, made_anew: bool
) -> None:
    connect = Connect(stack.environment["COUPON_CONNECT_URL"])
    own_connector.make_slot()
    kafka = KafkaClient(stack.environment["COUPON_KAFKA_BOOTSTRAP_SERVERS"])
    register(connect.url, kafka, own_connector.file)
    pipeline.request(range(1, 101))
    offsets = f"/connectors/{own_connector.name}/offsets"
    eventually(lambda: (connect.call("GET", offsets) or {}).get("offsets"), 60, "offsets are kept")
    connect.call("PUT", f"/connectors/{own_connector.name}/stop")
    eventually(lambda: slot_is_gone(own_connector), 30)
    pipeline.request(range(101, 201))
    if made_anew:
        own_connector.make_slot()
    connect.call("PUT", f"/connectors/{own_connector.name}/resume")
    eventually(lambda: existing_state(connect, own_connector.name).failure, 90)


def test_a_connector_restarted_in_the_middle_loses_nothing(
    stack: DisposableStack, pipeline: Pipeline
) -> None:
    pipeline.request(range(1, 10_001))
    eventually(lambda: pipeline.counts().issued > 0, 60, "it has begun")
    restart(stack.environment["COUPON_CONNECT_URL"])
    pipeline.request(range(10_001, 11_001))
    eventually(pipeline.all_final, FINAL_WITHIN_SECONDS)
    assert pipeline.counts().issued == 11_000


def test_requests_made_while_connect_is_down_are_issued_later(
    stack: DisposableStack, pipeline: Pipeline
) -> None:
    """Requests written while connect is down are issued when it is back."""
    stack.kill("connect")
    pipeline.request(range(1, 5_001))
    assert pipeline.counts().in_flight == 5_000
    stack.restart("connect")
    eventually(pipeline.all_final, FINAL_WITHIN_SECONDS)
    assert pipeline.counts().issued == 5_000


def test_a_message_that_somebody_writes_to_the_wal_is_not_streamed(
    stack: DisposableStack, pipeline: Pipeline
) -> None:
    """Every role may write logical messages; one too large for Kafka would end the connector."""
    large = "SELECT pg_logical_emit_message({}, 'test', string_agg(md5(n::text), ''))"
    with connect_ledger(stack.database_url("monitor"), "test") as least_rights:
        for transactional in (True, False):
            statement = large.format(transactional) + " FROM generate_series(1, 100000) n"
            least_rights.execute(statement.encode())
    pipeline.request(range(1, 101))
    eventually(pipeline.all_final, FINAL_WITHIN_SECONDS)
    kafka = KafkaClient(stack.environment["COUPON_KAFKA_BOOTSTRAP_SERVERS"])
    assert "coupon.message" not in KafkaAdmin(kafka).partitions()
