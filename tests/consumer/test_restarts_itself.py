"""A consumer whose client cannot go on restarts itself, without a person."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
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


class Consuming:
    """A consumer process of the project, with the shortest session."""

    def __init__(
        self, servers: str, database: Database, valkey_url: str, folder: Path, name: str = ""
    ) -> None:
        """folder: its name is the group's. name: of a static member; "": a dynamic one."""
        self.port = free_ports(["consumer"])["consumer"]
        self.log = folder / f"log-{self.port}"
        settings = {
            "COUPON_DATABASE_URL": database.url("coupon_consumer"),
            "COUPON_REDIS_URL": valkey_url,
            "COUPON_KAFKA_BOOTSTRAP_SERVERS": servers,
            "COUPON_SCHEMA_REGISTRY_URL": "http://127.0.0.1:1",
            "COUPON_CONSUMER_PORT": str(self.port),
            "COUPON_CONSUMER_GROUP": folder.name,
            "COUPON_CONSUMER_SESSION_SECONDS": str(SESSION_SECONDS),
            **({"COUPON_CONSUMER_INSTANCE_ID": name} if name else {}),
        }
        with self.log.open("wb") as errors:
            command = [sys.executable, "-m", "cdc_consumer"]
            self.process = subprocess.Popen(command, env={**os.environ, **settings}, stderr=errors)

    def is_healthy(self) -> bool:
        try:
            with urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=5) as answer:
                return bool(answer.status == 200)
        except (URLError, ConnectionError):
            return False

    def restarts(self) -> int:
        """How often it has started itself again."""
        return self.log.read_text().count("restarts itself")

    def end(self) -> None:
        """In order, if it runs."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            assert self.process.wait(30) == 0


Start = Callable[..., Consuming]


@pytest.fixture
def start(
    kafka_server: KafkaServer, database: Database, valkey_url: str, tmp_path: Path
) -> Iterator[Start]:
    """Starts a consumer of the test's group, under a name or without one."""
    with ExitStack() as ending:

        def started(name: str = "") -> Consuming:
            servers = kafka_server.bootstrap_servers
            consuming = Consuming(servers, database, valkey_url, tmp_path, name)
            ending.callback(consuming.end)
            return consuming

        yield started


def test_a_client_outside_of_its_group_is_replaced_in_place(
    kafka_server: KafkaServer, start: Start, tmp_path: Path
) -> None:
    """A member that speaks another protocol keeps it out, and Kafka answers everybody."""
    servers = kafka_server.bootstrap_servers
    config = {
        "bootstrap.servers": servers,
        "group.id": tmp_path.name,
        "partition.assignment.strategy": "range",
        "session.timeout.ms": SESSION_SECONDS * 1_000,
        "log_level": 2,
    }
    with closing(Consumer(config)) as other:
        other.subscribe([REQUEST_TOPIC])
        eventually(lambda: other.poll(0.05) or other.assignment(), 30, "the other is a member")
        kept_out = start()
        eventually(lambda: other.poll(0.05) or kept_out.restarts(), OUTSIDE_SECONDS, "it gives up")
        other.unsubscribe()
        eventually(
            lambda: other.poll(0.05) or kept_out.is_healthy(), OUTSIDE_SECONDS, "it is a member"
        )
        assert kept_out.process.poll() is None, kept_out.log.read_text()
        assert KafkaAdmin(KafkaClient(servers), tmp_path.name).consuming().members == 1
        assert_few_descriptors(kept_out.process.pid)


def test_a_consumer_whose_name_nobody_else_uses_any_more_goes_on(start: Start) -> None:
    """Another consumer took its name, and was killed."""
    fenced = start("consumer-1")
    eventually(fenced.is_healthy, 60, "it is a member")
    other = start("consumer-1")
    eventually(other.is_healthy, 60, "the other has its name")
    other.process.kill()
    other.process.wait()
    eventually(fenced.restarts, 60, "it starts again")
    eventually(fenced.is_healthy, 60, "it is a member again")
    assert fenced.restarts() == 1
    assert fenced.process.poll() is None


def test_a_consumer_whose_name_another_one_uses_ends(start: Start) -> None:
    """It says who that is, and is not healthy meanwhile."""
    fenced = start("consumer-1")
    eventually(fenced.is_healthy, 60, "it is a member")
    other = start("consumer-1")
    eventually(lambda: not fenced.is_healthy(), 60, "it is fenced")
    eventually(lambda: fenced.process.poll() is not None, OUTSIDE_SECONDS, fenced.log.read_text())
    assert fenced.process.wait() == 1
    assert "works under the name of this one, consumer-1." in fenced.log.read_text()
    assert fenced.restarts() == 0
    assert other.process.poll() is None
    eventually(other.is_healthy, 60, "the other is a member")


def assert_few_descriptors(pid: int) -> None:
    """The process before left none of its own open."""
    left = [os.readlink(each) for each in Path(f"/proc/{pid}/fd").iterdir()]
    assert len([each for each in left if each.startswith("pipe:")]) < 20, left
