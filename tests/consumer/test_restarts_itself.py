"""A consumer whose client finds no way back into its group replaces itself, without a person."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from coupons.kafka import KafkaClient
from coupons.kafka_admin import KafkaAdmin
from coupons.waiting import eventually
from stack.ports import free_ports
from tests.support.databases import Database
from tests.support.servers import KafkaServer

SESSION_SECONDS = 6
"""The shortest that a broker allows by default."""
STUCK_SECONDS = 60


@contextmanager
def standing_still(kafka_server: KafkaServer) -> Iterator[None]:
    """The broker's process is stopped: it answers nobody, and its connections stay."""
    run = kafka_server.folder.part("kafka").last_run()
    assert run is not None
    family = run.family()
    for process in family:
        process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for process in family:
            process.send_signal(signal.SIGCONT)


def test_a_client_outside_of_its_group_is_replaced_in_place(
    kafka_server: KafkaServer, database: Database, valkey_url: str, tmp_path: Path
) -> None:
    port, group, log = free_ports(["consumer"])["consumer"], tmp_path.name, tmp_path / "log"
    settings = {
        "COUPON_DATABASE_URL": database.url("coupon_consumer"),
        "COUPON_REDIS_URL": valkey_url,
        "COUPON_KAFKA_BOOTSTRAP_SERVERS": kafka_server.bootstrap_servers,
        "COUPON_SCHEMA_REGISTRY_URL": "http://127.0.0.1:1",
        "COUPON_CONSUMER_PORT": str(port),
        "COUPON_CONSUMER_GROUP": group,
        "COUPON_CONSUMER_SESSION_SECONDS": str(SESSION_SECONDS),
    }

    def is_healthy() -> bool:
        try:
            with urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5) as answer:
                return bool(answer.status == 200)
        except URLError:
            return False

    kafka = KafkaAdmin(KafkaClient(kafka_server.bootstrap_servers))
    with log.open("wb") as errors:
        command = [sys.executable, "-m", "cdc_consumer"]
        process = subprocess.Popen(command, env={**os.environ, **settings}, stderr=errors)
    try:
        eventually(is_healthy, 60, "it is a member")
        with standing_still(kafka_server):
            eventually(lambda: "restarts itself" in log.read_text(), STUCK_SECONDS, "it gives up")
        eventually(is_healthy, 60, "it is a member again")
        assert process.poll() is None, log.read_text()
        assert kafka.consuming(group).members == 1
    finally:
        process.terminate()
        assert process.wait(30) == 0
