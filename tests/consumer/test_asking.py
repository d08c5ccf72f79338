"""Who asks Kafka about groups outlives its restarts, and ends when it is told to."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from coupons.waiting import eventually
from tests.support.servers import KafkaServer

PROCESSES = 2
END_SECONDS = 30


class Asking:
    """A process that asks all the time."""

    def __init__(self, servers: str, output: Path) -> None:
        self._output = output
        with output.open("wb") as lines:
            command = [sys.executable, "-m", "tests.consumer.asking", servers]
            self.process = subprocess.Popen(command, stdout=lines, stderr=lines)

    def await_said(self, word: str) -> None:
        """Once more than until now."""
        before = self._said(word)
        eventually(lambda: self._lives() and self._said(word) > before, 60, word)

    def end(self) -> None:
        """In order, as told."""
        self.process.terminate()
        assert self.process.wait(END_SECONDS) == 0

    def _said(self, word: str) -> int:
        return self._output.read_text().splitlines().count(word)

    def _lives(self) -> bool:
        if self.process.poll() is not None:
            pytest.fail(f"ended with {self.process.returncode}: {self._output.read_text()}")
        return True


@pytest.fixture
def asking(kafka_server: KafkaServer, tmp_path: Path) -> Iterator[list[Asking]]:
    """Processes that began before Kafka was killed."""
    servers = kafka_server.bootstrap_servers
    started = [Asking(servers, tmp_path / str(number)) for number in range(PROCESSES)]
    yield started
    for each in started:
        each.process.kill()
        each.process.wait()


def test_questions_about_groups_survive_a_restart_of_kafka(
    kafka_server: KafkaServer, asking: list[Asking]
) -> None:
    """The coordinator is there, away, and starting; no process ends by itself or hangs."""
    first, second = asking
    for each in asking:
        each.await_said("known")
    kafka_server.kill()
    try:
        for each in asking:
            each.await_said("unknown")
        first.end()
    finally:
        kafka_server.start()
    second.await_said("known")
    second.end()
