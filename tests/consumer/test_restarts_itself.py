"""A consumer whose client finds no way back into its group restarts itself, without a person."""

import os
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from confluent_kafka import Consumer

from coupons.change_events import REQUEST_TOPIC
from coupons.change_events.kafka_admin import KafkaAdmin
from coupons.kafka.client import KafkaClient
from coupons.waiting import eventually
from stack.ports import free_ports
from tests.support.databases import Database
from tests.support.servers import KafkaServer

SESSION_SECONDS = 6
"""The shortest that a broker allows by default."""
OUTSIDE_SECONDS = 120


def is_healthy(port: int) -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5) as answer:
            return bool(answer.status == 200)
    except URLError:
        return False


def test_a_client_outside_of_its_group_is_replaced_in_place(
    kafka_server: KafkaServer, database: Database, valkey_url: str, tmp_path: Path
) -> None:
    """A member that speaks another protocol keeps it out, and Kafka answers everybody."""
    port, group, log = free_ports(["consumer"])["consumer"], tmp_path.name, tmp_path / "log"
    servers = kafka_server.bootstrap_servers
    settings = {
        "COUPON_DATABASE_URL": database.url("coupon_consumer"),
        "COUPON_REDIS_URL": valkey_url,
        "COUPON_KAFKA_BOOTSTRAP_SERVERS": servers,
        "COUPON_SCHEMA_REGISTRY_URL": "http://127.0.0.1:1",
        "COUPON_CONSUMER_PORT": str(port),
        "COUPON_CONSUMER_GROUP": group,
        "COUPON_CONSUMER_SESSION_SECONDS": str(SESSION_SECONDS),
    }
    kafka = KafkaAdmin(KafkaClient(servers), group)
    config = {
        "bootstrap.servers": servers,
        "group.id": group,
        "partition.assignment.strategy": "range",
        "session.timeout.ms": SESSION_SECONDS * 1_000,
        "log_level": 2,
    }
    with closing(Consumer(config)) as other, log.open("wb") as errors:
        other.subscribe([REQUEST_TOPIC])
        eventually(lambda: other.poll(0.05) or other.assignment(), 30, "the other is a member")
        command = [sys.executable, "-m", "cdc_consumer"]
        process = subprocess.Popen(command, env={**os.environ, **settings}, stderr=errors)
        try:
            eventually(
                lambda: other.poll(0.05) or "restarts itself" in log.read_text(),
                OUTSIDE_SECONDS,
                "it gives its client up",
            )
            other.unsubscribe()
            eventually(
                lambda: other.poll(0.05) or is_healthy(port), OUTSIDE_SECONDS, "it is a member"
            )
            assert process.poll() is None, log.read_text()
            assert kafka.consuming().members == 1
            assert_few_descriptors(process.pid)
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0


def assert_few_descriptors(pid: int) -> None:
    """The process before left none of its own open."""
    left = [os.readlink(each) for each in Path(f"/proc/{pid}/fd").iterdir()]
    assert len([each for each in left if each.startswith("pipe:")]) < 20, left
