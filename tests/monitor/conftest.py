"""A monitor over real servers, and what it says."""

from collections.abc import Callable, Iterator
from threading import Event
from typing import Any

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from monitor.document import as_document
from monitor.metrics import FIGURES, monitor_registry
from monitor.service import Monitor
from monitor.settings import MonitorSettings
from monitor.state import State
from tests.support.answers import Answers
from tests.support.databases import Database

NOWHERE = "127.0.0.1:1"
INTERVAL_SECONDS = 0.5
TIMEOUT_SECONDS = 5.0
"""Of a reading. What takes longer on a busy machine would be unknown between two looks of a test.

A system's own settings have it shorter than the interval, which would make the tests slow.
"""
UNKNOWN_WITHIN_SECONDS = 30.0
"""Until a silent source is unknown, on a busy machine."""


def patient(settings: MonitorSettings) -> MonitorSettings:
    """The same with TIMEOUT_SECONDS."""
    return settings.model_copy(update={"monitor_timeout_seconds": TIMEOUT_SECONDS})


Labels = tuple[str, ...]


class Watched:
    """A running monitor."""

    def __init__(self, settings: MonitorSettings) -> None:
        self.monitor = Monitor(settings)
        self._registry = monitor_registry(self.monitor.state)

    def state(self) -> State:
        return self.monitor.state()

    def document(self) -> dict[str, Any]:
        return as_document(self.state())

    def samples(self, name: str) -> dict[Labels, float]:
        """The samples of a metric by the values of their labels, as they are declared."""
        [order] = [figure.labels for figure in FIGURES if figure.name == name]
        text = generate_latest(self._registry).decode()
        return {
            tuple(sample.labels[label] for label in order): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == name
        }

    def value(self, name: str, *labels: str) -> float | None:
        """None: it is absent."""
        return self.samples(name).get(labels)


Watch = Callable[..., Watched]


@pytest.fixture
def watch() -> Iterator[Watch]:
    """Starts monitors; without addresses of Kafka, which is then down."""
    stop = Event()

    def start(database_url: str, redis_url: str, **settings: Any) -> Watched:
        values = {
            "database_url": database_url,
            "redis_url": redis_url,
            "kafka_bootstrap_servers": NOWHERE,
            "monitor_interval_seconds": INTERVAL_SECONDS,
            "monitor_timeout_seconds": INTERVAL_SECONDS,
        }
        watched = Watched(patient(MonitorSettings(**{**values, **settings})))
        watched.monitor.start(stop)
        return watched

    yield start
    stop.set()


@pytest.fixture
def watched(watch: Watch, database: Database, valkey_url: str) -> Watched:
    """Over the test's Postgres and Redis."""
    return watch(database.url("coupon_monitor"), valkey_url)


@pytest.fixture
def answers() -> Iterator[Callable[..., Answers]]:
    """Starts processes that answer."""
    started: list[Answers] = []

    def start(status: int = 200, body: str = '{"status": "ok"}') -> Answers:
        started.append(Answers(status, body))
        return started[-1]

    yield start
    for each in started:
        each.stop()
