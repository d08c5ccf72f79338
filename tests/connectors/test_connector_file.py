"""The connector's file: complete, without secrets, and of one mind with the code around it."""

import json
import re

from cdc_consumer.kafka import topics
from connectors.events import EVENTS_CONNECTOR, EVENTS_FILE, EVENTS_SLOT
from connectors.lifecycle import CONNECTOR_NAME
from connectors.register import CONNECTOR_FILE, topics_of
from connectors.slot import SLOT
from coupons.change_events import READER_SCHEMAS
from coupons.change_events.producing import PRODUCER_SETTINGS
from coupons.change_events.topics import EVENT_TABLES, EVENTS_TOPIC

CONNECTOR = json.loads(CONNECTOR_FILE.read_text())
CONFIG: dict[str, str] = CONNECTOR["config"]


def test_it_names_no_host_and_no_secret() -> None:
    assert not re.search(r"127\.0\.0\.1|localhost|://", CONNECTOR_FILE.read_text())
    assert CONFIG["database.password"] == "${env:COUPON_CDC_DATABASE_PASSWORD}"


def test_it_streams_the_slot_that_the_database_was_prepared_with() -> None:
    assert CONNECTOR["name"] == CONNECTOR_NAME
    assert CONFIG["slot.name"] == SLOT


def test_a_lost_slot_stops_it() -> None:
    assert CONFIG["offset.mismatch.strategy"] == "trust_offset"
    assert CONFIG["snapshot.mode"] == "no_data"
    assert CONFIG["publication.autocreate.mode"] == "disabled"


def test_it_writes_the_row_alone_and_says_so_when_one_is_deleted() -> None:
    assert CONFIG["transforms"] == "row"
    assert CONFIG["transforms.row.type"] == "io.debezium.transforms.ExtractNewRecordState"
    # A record without a value, which becomes a dead letter; by default nobody would hear of it.
    assert CONFIG["transforms.row.delete.tombstone.handling.mode"] == "delete-to-tombstone"


def test_its_topics_are_those_of_the_consumer() -> None:
    sizes = {topic.name: topic.partitions for topic in topics_of(CONFIG)}
    read = {topic.name: topic.partitions for topic in topics() if topic.name in READER_SCHEMAS}
    assert sizes == {**read, "__debezium-heartbeat.coupon": 1}
    assert set(read) == set(READER_SCHEMAS)


def test_its_producer_has_the_settings_of_the_dead_letter_producer() -> None:
    overrides = {
        name.removeprefix("producer.override."): value
        for name, value in CONFIG.items()
        if name.startswith("producer.override.")
    }
    assert len(overrides) == 10
    assert overrides == {name: str(PRODUCER_SETTINGS[name]).lower() for name in overrides}


def test_the_events_have_a_connector_slot_and_topics_of_their_own() -> None:
    """It differs from the first one in what it streams and under which names, and in no setting."""
    events = json.loads(EVENTS_FILE.read_text())
    config: dict[str, str] = events["config"]
    assert (events["name"], config["slot.name"]) == (EVENTS_CONNECTOR, EVENTS_SLOT)
    tables = {f"public.{table}" for table in (*EVENT_TABLES, "cdc_heartbeat")}
    assert set(config["table.include.list"].split(",")) == tables
    topics = {topic.name: topic for topic in topics_of(config)}
    assert set(topics) == {EVENTS_TOPIC, "coupon_events.public.cdc_heartbeat"}
    assert topics[EVENTS_TOPIC].partitions == 10
    assert topics["coupon_events.public.cdc_heartbeat"].config == {"retention.ms": "3600000"}
    differ = {name for name in CONFIG | config if CONFIG.get(name) != config.get(name)}
    its_own = r"(slot|publication)\.name|table\.include\.list|topic\..*|message\.key\.columns"
    its_own += r"|transforms.*|predicates.*|heartbeat\..*|key\.converter.*|.*artifact-resolver.*"
    assert [name for name in differ if not re.fullmatch(its_own, name)] == []
