"""The settings that the guarantees rest on, as the running servers and clients tell them."""

import json
import re

import pytest
import redis
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    ConfigResource,
    ResourceType,
)

from coupons.change_events import REQUEST_PARTITIONS, REQUEST_TOPIC
from coupons.waiting import eventually
from tests.compose.containers import Containers

pytestmark = pytest.mark.timeout(1200)

PRODUCER = {
    "acks": "-1",
    "enable.idempotence": "true",
    "retries": "2147483647",
    "max.in.flight.requests.per.connection": "5",
    "delivery.timeout.ms": "120000",
    "request.timeout.ms": "30000",
    "retry.backoff.ms": "100",
    "batch.size": "16384",
    "linger.ms": "5",
    "compression.type": "snappy",
}
CONSUMER = {
    "enable.auto.commit": False,
    "isolation.level": "read_committed",
    "auto.offset.reset": "earliest",
    "max.poll.interval.ms": 300_000,
    "session.timeout.ms": 30_000,
    "heartbeat.interval.ms": 3_000,
}


@pytest.fixture(scope="module")
def kafka(containers: Containers) -> AdminClient:
    return AdminClient({"bootstrap.servers": f"127.0.0.1:{containers.ports['kafka']}"})


def _settings(kafka: AdminClient, kind: ResourceType, name: str) -> dict[str, str]:
    resource = ConfigResource(kind, name)
    found = kafka.describe_configs([resource])[resource].result(timeout=30)
    return {key: entry.value for key, entry in found.items()}


def test_the_connectors_producer_has_the_settings_of_the_guarantees(containers: Containers) -> None:
    log = containers.container("connect").logs().decode()
    blocks = re.findall(r"ProducerConfig values: ?\n((?:\t[^\n]*\n)+)", log)
    told = [dict(re.findall(r"^\t(\S+) = (.*)$", block, re.MULTILINE)) for block in blocks]
    producers = [each for each in told if each["client.id"].startswith("connector-producer-")]
    assert producers
    for each in producers:
        assert {name: each[name] for name in PRODUCER} == PRODUCER


def test_the_topic_of_requests_has_ten_partitions_of_snappy_batches(
    containers: Containers, kafka: AdminClient
) -> None:
    (topic,) = kafka.list_topics(REQUEST_TOPIC, timeout=30).topics.values()
    assert len(topic.partitions) == REQUEST_PARTITIONS == 10
    settings = _settings(kafka, ResourceType.TOPIC, REQUEST_TOPIC)
    assert settings["compression.type"] == "producer"
    assert settings["min.insync.replicas"] == "1"
    assert settings["cleanup.policy"] == "delete"
    assert settings["unclean.leader.election.enable"] == "false"


def test_topics_are_never_made_by_a_typing_error(kafka: AdminClient) -> None:
    assert _settings(kafka, ResourceType.BROKER, "1")["auto.create.topics.enable"] == "false"


def test_the_consumer_in_the_image_has_the_settings_of_the_guarantees(
    containers: Containers, kafka: AdminClient
) -> None:
    program = (
        "import json; from cdc_consumer.kafka import consumer_settings;"
        "from cdc_consumer.settings import ConsumerSettings; s = ConsumerSettings();"
        "config = consumer_settings(s.consumer_group, None, print);"
        "print(json.dumps(config, default=str))"
    )
    code, printed = containers.run_in("consumer", "python", "-c", program)
    assert code == 0, printed
    config = json.loads(printed)
    assert {name: config[name] for name in CONSUMER} == CONSUMER

    def owned() -> int:
        group = kafka.describe_consumer_groups(["coupon-cdc-consumer"])["coupon-cdc-consumer"]
        members = group.result(timeout=30).members
        return sum(
            partition.topic == REQUEST_TOPIC
            for member in members
            for partition in member.assignment.topic_partitions
        )

    eventually(lambda: owned() == REQUEST_PARTITIONS, 120, "all partitions owned")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("wal_level", "logical"),
        ("max_slot_wal_keep_size", "2GB"),
        ("data_checksums", "on"),
        ("fsync", "on"),
        ("synchronous_commit", "on"),
        ("TimeZone", "UTC"),
    ],
)
def test_postgres_keeps_what_it_acknowledges_and_bounds_what_a_slot_holds(
    containers: Containers, name: str, value: str
) -> None:
    assert containers.select("SELECT current_setting(%s)", [name]) == [(value,)]


def test_the_slot_is_there_and_read(containers: Containers) -> None:
    query = "SELECT plugin, failover FROM pg_replication_slots WHERE slot_name = 'coupon_cdc'"
    assert containers.select(query) == [("pgoutput", True)]


def test_redis_writes_its_log_every_second(containers: Containers) -> None:
    with redis.Redis(port=containers.ports["valkey"]) as client:
        told = client.config_get("appendonly", "appendfsync", "save")
    assert told == {"appendonly": "yes", "appendfsync": "everysec", "save": ""}
