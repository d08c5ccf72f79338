"""Each process shows what it measures, and nothing that others measure."""

import math
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import prometheus_client
import pytest

from api.metrics import API
from cdc_consumer.metrics import CONSUMER
from coupons.waiting import eventually
from monitor.metrics import FIGURES
from reconciler.metrics import RECONCILER
from stack.ports import free_ports
from tests.monitoring.tools import run_tool
from tests.support.databases import Database

ROOT = Path(__file__).parents[2]
OF_ANY_PROCESS = ("process_", "python_")
NOWHERE = "127.0.0.1:1"

PROCESSES = {
    "api": "COUPON_API_MANAGEMENT_PORT",
    "cdc_consumer": "COUPON_CONSUMER_PORT",
    "reconciler": "COUPON_RECONCILER_PORT",
    "monitor": "COUPON_MONITOR_PORT",
}


class Process:
    """A running process and what its /metrics says."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}/metrics"

    def text(self) -> str:
        with urlopen(self._url, timeout=10) as answer:
            return str(answer.read().decode())

    def answers(self) -> bool:
        try:
            return bool(self.text())
        except URLError:
            return False

    def families(self) -> set[str]:
        """Names of metrics, without those of every Python process."""
        names = re.findall(r"^# TYPE (\S+)", self.text(), re.M)
        return {name for name in names if not name.startswith(OF_ANY_PROCESS)}

    def value(self, name: str) -> float:
        [value] = re.findall(rf"^{name} (\S+)$", self.text(), re.M)
        return float(value)


@contextmanager
def running(module: str, environment: Mapping[str, str]) -> Iterator[Process]:
    process = subprocess.Popen([sys.executable, "-m", module], env=dict(environment), cwd=ROOT)
    try:
        shown = Process(int(environment[PROCESSES[module]]))
        eventually(shown.answers, 30, f"{module} shows its metrics")
        yield shown
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture
def environment(database: Database, valkey_url: str, key_file: Path) -> dict[str, str]:
    """Of all of them; there is no Kafka."""
    ports = free_ports(["COUPON_API_PORT", *PROCESSES.values()])
    return {
        **os.environ,
        **{name: str(port) for name, port in ports.items()},
        "COUPON_DATABASE_URL": database.url("coupon_reconciler"),
        "COUPON_REDIS_URL": valkey_url,
        "COUPON_JWT_KEY_FILE": str(key_file),
        "COUPON_API_WORKERS": "2",
        "COUPON_KAFKA_BOOTSTRAP_SERVERS": NOWHERE,
        "COUPON_SCHEMA_REGISTRY_URL": f"http://{NOWHERE}",
        "COUPON_RECONCILER_INTERVAL_SECONDS": "0.1",
    }


def test_no_process_shows_what_another_measures(environment: dict[str, str]) -> None:
    with ExitStack() as stack:
        shown = {
            module: stack.enter_context(running(module, environment)).families()
            for module in PROCESSES
        }
    assert all(shown.values())
    everything = [name for names in shown.values() for name in names]
    assert sorted(everything) == sorted(set(everything))
    assert "coupon_consumer_heartbeat_age_seconds" in shown["cdc_consumer"]
    registries = (API, CONSUMER, RECONCILER)
    declared = {metric.name for registry in registries for metric in registry.collect()}
    declared |= {figure.name.removesuffix("_total") for figure in FIGURES}
    declared = {name for name in declared if name.startswith("coupon_")}
    plain = {name.removesuffix("_total") for name in everything if not name.endswith("_created")}
    assert plain <= declared
    # Several workers show a metric with labels from its first value on.
    assert all(name.startswith("coupon_api_") for name in declared - plain)


@pytest.mark.parametrize("module", PROCESSES)
def test_promtool_finds_nothing_wrong_with_the_metrics(
    environment: dict[str, str], module: str
) -> None:
    with running(module, environment) as process:
        assert run_tool("promtool", "check", "metrics", given=process.text()) == ""


def test_a_reconciler_that_stands_by_says_that_it_measures_nothing(
    environment: dict[str, str],
) -> None:
    measured = ("coupon_reconciler_unavailable_coupons", "coupon_reconciler_oldest_pending_seconds")
    other = {**environment, "COUPON_RECONCILER_PORT": str(free_ports(["other"])["other"])}
    with running("reconciler", environment) as active:
        eventually(lambda: [active.value(name) for name in measured] == [0, 0], what="a pass")
        with running("reconciler", other) as standing_by:
            assert all(math.isnan(standing_by.value(name)) for name in measured)


def test_a_consumer_that_has_seen_no_heartbeat_knows_no_heartbeat_age(
    environment: dict[str, str],
) -> None:
    with running("cdc_consumer", environment) as consumer:
        assert math.isnan(consumer.value("coupon_consumer_heartbeat_age_seconds"))


def test_every_metric_belongs_to_a_kind_of_process() -> None:
    shared = {metric.name for metric in prometheus_client.REGISTRY.collect()}
    assert {name for name in shared if name.startswith("coupon_")} == set()
