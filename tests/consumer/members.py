"""Consumers in processes of their own, on a real Kafka."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

from coupons.change_events.kafka_admin import STABLE, GroupState, KafkaAdmin
from coupons.errors import KafkaUnavailable
from coupons.kafka.client import KafkaClient
from coupons.waiting import eventually

SESSION_SECONDS = 6
"""The shortest that a broker allows by default."""

Place = tuple[int, int]
"""(partition, offset) on the request topic."""


class Member:
    """A consumer of the loop's own, in a process of its own, and what it was given to handle."""

    def __init__(self, servers: str, group: str, name: str, folder: Path) -> None:
        """name: of a static member; "-" for a dynamic one."""
        self._kafka = KafkaAdmin(KafkaClient(servers), group)
        self._noted = folder / f"{group}.handled"
        self._noted.touch()
        self.log = folder / f"{group}-{time.monotonic_ns()}.log"
        arguments = [servers, group, str(SESSION_SECONDS), name, str(self._noted)]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.consumer.member", *arguments], stderr=log
            )

    def handled(self) -> set[Place]:
        """Every place so far."""
        lines = self._noted.read_text().rpartition("\n")[0].splitlines()
        return {(partition, offset) for line in lines for partition, offset in json.loads(line)}

    def stop_after_more_records(self) -> None:
        """SIGSTOP in the middle of work."""
        before = len(self.handled())
        eventually(lambda: len(self.handled()) > before, 30, "it handles records")
        self.process.send_signal(signal.SIGSTOP)

    def go_on_after_the_session(self) -> None:
        """SIGCONT, once Kafka has given its partitions away."""
        eventually(lambda: self._consuming().members == 0, 30, "Kafka has given it up")
        self.process.send_signal(signal.SIGCONT)

    def await_end_of_topic(self) -> None:
        """Return when everything on the topic is committed."""
        eventually(lambda: self._consuming().lag == 0, 30, "all is committed")

    def joined(self) -> bool:
        """Whether the group has a member and is at rest."""
        found = self._consuming()
        return found.members > 0 and found.state == STABLE

    def _consuming(self) -> GroupState:
        try:
            return self._kafka.consuming()
        except KafkaUnavailable as error:
            raise OSError(str(error)) from error

    def end(self) -> None:
        """In order, as after SIGTERM."""
        self.process.send_signal(signal.SIGCONT)
        self.process.terminate()
        self.process.wait(30)
