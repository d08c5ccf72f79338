"""The monitor as a process: a source for each server and process, its probes, and the page."""

from collections.abc import Callable, Iterator
from functools import partial
from threading import Event
from typing import Any

from coupons.endpoints import KAFKA, REGISTRY_URL, Endpoints
from coupons.process.probes import health_page, json_page, metrics_page
from coupons.process.settings import split_list
from monitor.dead_letters import DeadLetterReader
from monitor.document import as_document
from monitor.gate import GateReader
from monitor.ledger import LedgerReader, LedgerState
from monitor.metrics import monitor_registry
from monitor.page.pages import build_page
from monitor.page.server import PageServer
from monitor.processes import Health, HealthReader, address, read_disks
from monitor.settings import MonitorSettings
from monitor.source import Source, T
from monitor.state import Process, State, now
from monitor.stream import ConnectReader, KafkaReader


class Monitor:
    """All sources of one system. `start` reads them; `state` is what they said last."""

    def __init__(self, settings: MonitorSettings) -> None:
        self._settings = settings
        database = settings.database_url.get_secret_value()
        redis = settings.redis_url.get_secret_value()
        gate = GateReader(redis, self._last_of_ledger, lambda: self._ledger.reading.is_known)
        self._ledger = self._source(
            "postgres", LedgerReader(database, lambda: gate.unfinished).read
        )
        self._gate = self._source("redis", gate.read)
        self._kafka = self._source(
            "kafka", KafkaReader(settings.kafka, settings.consumer_group).read
        )
        letters = DeadLetterReader(_dead_letter_endpoints(settings), database)
        self._dead_letters = self._source("dead-letters", letters.read)
        connect = settings.connect_url and settings.connect_url.get_secret_value()
        timeout_s = settings.monitor_timeout_seconds
        self._connect = (
            self._source("connect", ConnectReader(connect, timeout_s).read) if connect else None
        )
        disks = settings.disks
        self._disks = self._source("disks", partial(read_disks, disks)) if disks else None
        self._processes = list(self._health_sources())
        self._addresses = {
            "postgres": address(database),
            "redis": address(redis),
            "kafka": settings.kafka_bootstrap_servers,
            **({"connect": address(connect)} if connect else {}),
        }

    @property
    def _sources(self) -> list[Source[Any]]:
        servers: list[Source[Any] | None] = [
            *(self._ledger, self._gate, self._kafka, self._dead_letters),
            *(self._connect, self._disks),
        ]
        own = [source for _, _, source in self._processes]
        return [*(each for each in servers if each), *own]

    def start(self, stop: Event) -> None:
        """Read every source until `stop` is set."""
        for source in self._sources:
            source.start(stop)

    def state(self) -> State:
        """What is known now. It never waits for a source."""
        return State(
            now(),
            self._ledger.reading,
            self._gate.reading,
            self._kafka.reading,
            self._dead_letters.reading,
            self._connect.reading if self._connect else None,
            self._disks.reading if self._disks else None,
            tuple(Process(part, at, source.reading) for part, at, source in self._processes),
            self._addresses,
        )

    @property
    def failure(self) -> str | None:
        """What is wrong with the monitor itself. A server that is down is not."""
        ended = [source.name for source in self._sources if not source.is_alive]
        return f"not read any more: {', '.join(ended)}" if ended else None

    def _last_of_ledger(self) -> LedgerState | None:
        """The last reading, also while Postgres is down."""
        return self._ledger.last

    def _source(self, name: str, read: Callable[[], T]) -> Source[T]:
        settings = self._settings
        interval_s, timeout_s = settings.monitor_interval_seconds, settings.monitor_timeout_seconds
        return Source(name, read, interval_s, timeout_s)

    def _health_sources(self) -> Iterator[tuple[str, str, Source[Health]]]:
        settings = self._settings
        registry = settings.schema_registry_url
        watched = (
            ("schema-registry", "/subjects", registry.get_secret_value() if registry else ""),
            ("api", "/readyz", settings.api_management_url.get_secret_value()),
            ("consumer", "/healthz", settings.consumer_urls.get_secret_value()),
            ("reconciler", "/healthz", settings.reconciler_urls.get_secret_value()),
        )
        for part, path, urls in watched:
            for url in split_list(urls):
                reader = HealthReader(url, path, settings.monitor_timeout_seconds)
                at = address(url)
                yield part, at, self._source(f"{part} at {at}", reader.read)


def serve_monitor(monitor: Monitor, settings: MonitorSettings) -> PageServer:
    """Serve until `shutdown()`. Raises ConfigurationError."""
    registry = monitor_registry(monitor.state)
    probes = {
        "/healthz": lambda: health_page(lambda: monitor.failure),
        "/metrics": lambda: metrics_page(registry),
        "/state.json": lambda: json_page(200, as_document(monitor.state())),
    }
    page = build_page(settings, monitor.state)
    return PageServer(settings.monitor_host, settings.monitor_port, probes, page)


def run_monitor(settings: MonitorSettings, stop: Event) -> None:
    """Gather and serve until `stop` is set. Raises ConfigurationError when the port is taken."""
    monitor = Monitor(settings)
    server = serve_monitor(monitor, settings)
    monitor.start(stop)
    try:
        stop.wait()
    finally:
        server.shutdown()


def _dead_letter_endpoints(settings: MonitorSettings) -> Endpoints:
    registry = settings.schema_registry_url
    url = registry.get_secret_value() if registry else "http://127.0.0.1:1"
    return Endpoints({KAFKA: settings.kafka_bootstrap_servers, REGISTRY_URL: url}, "monitor")
