"""How long it takes from the kill of a part until page, doctor and alert name it."""

import os
import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any, NamedTuple

from chaos.drill.page import MonitorPage
from chaos.drill.prometheus import Prometheus, prometheus
from chaos.drill.site import Site
from coupons.waiting import eventually
from operations.doctor.findings import Section
from stack.disposable import DisposableStack
from stack.parts import is_running

Print = Callable[[str], None]

_LONGEST_SECONDS = 180.0
_PAUSE_SECONDS = 0.1
_WELL_WITHIN_SECONDS = 240.0


class Watched(NamedTuple):
    """A part.

    name: of the stack. shown_as: by the page; None: the page itself is gone. section: of the
    runbook.
    """

    name: str
    shown_as: str | None
    section: Section
    alert: str


PARTS = (
    Watched("api", "API", Section.PART_DOWN, "CouponApiMissing"),
    Watched("consumer-1", "Consumer", Section.CONSUMER_DOWN, "CouponConsumerMissing"),
    Watched("reconciler", "Reconciler", Section.RECONCILER_DOWN, "CouponProcessDown"),
    Watched("connect", "Kafka Connect", Section.CONNECT_DOWN, "CouponConnectDown"),
    Watched("kafka", "Kafka", Section.KAFKA_DOWN, "CouponKafkaDown"),
    Watched("valkey", "Redis", Section.REDIS_DOWN, "CouponRedisDown"),
    Watched("postgres", "Postgres", Section.POSTGRES_DOWN, "CouponPostgresDown"),
    Watched("registry", "Schema registry", Section.REGISTRY_DOWN, "CouponSchemaRegistryDown"),
    Watched("monitor", None, Section.PART_DOWN, "CouponMonitorMissing"),
)


class Detection(NamedTuple):
    """Seconds from the kill until each names the part; None: there is no page.

    page_s: its list of parts. advice_s: what the doctor says on the page. load: tasks that ran or
    waited for a processor, in the minute before the kill.
    """

    part: Watched
    page_s: float | None
    advice_s: float | None
    doctor_s: float
    alert_s: float
    load: float


def measure(stack: DisposableStack, site: Site, folder: Path, log: Print) -> Iterator[Detection]:
    """Kill each part once. Prometheus has the intervals and the alerts of the configuration.

    A part is started again when all have named it, and the next one is killed when all is well.
    """
    with prometheus(folder, stack, every_second=False) as alerting:
        alerting.await_targets()
        _await_well(site, alerting)
        for part in PARTS:
            log(f"{part.name} is killed")
            yield _kill(part, site, alerting)
            assert not is_running(stack.folder.part(part.name)), f"{part.name} was started"
            stack.up()
            _await_well(site, alerting)


def _await_well(site: Site, alerting: Prometheus) -> None:
    # Alerts on rates over minutes still fire when all is well again.
    alerting.await_quiet({each.alert for each in PARTS}, _WELL_WITHIN_SECONDS)
    eventually(site.operator.is_all_ok, _WELL_WITHIN_SECONDS, "all is well")


def _kill(part: Watched, site: Site, alerting: Prometheus) -> Detection:
    """Page, doctor and alert are read at the same time, as after a fault."""
    page = MonitorPage(site.stack)
    eventually(page.is_complete, _WELL_WITHIN_SECONDS, "somebody has the page open")
    interrupted = Event()
    load = os.getloadavg()[0]
    began = time.monotonic()

    def until(
        is_named: Callable[[], bool], pause_s: Callable[[], float] = lambda: _PAUSE_SECONDS
    ) -> float:
        while not interrupted.is_set() and not is_named():
            seconds = time.monotonic() - began
            assert seconds < _LONGEST_SECONDS, f"{part.name} is not named within {seconds:.0f} s"
            interrupted.wait(pause_s())
        return time.monotonic() - began

    def on_page() -> tuple[float | None, float | None]:
        shown_as = part.shown_as
        if shown_as is None:
            return None, None
        # A browser's last refresh was some time ago.
        interrupted.wait(random.uniform(0, page.refresh_s()))
        named_s = until(lambda: page.names_part(shown_as), page.refresh_s)
        return named_s, until(lambda: page.names(part.section), page.refresh_s)

    with ThreadPoolExecutor(3) as pool:
        try:
            site.stack.kill(part.name)
            pages = pool.submit(on_page)
            doctor = pool.submit(until, lambda: is_named(site.operator.findings(), part))
            alert = pool.submit(until, lambda: part.alert in alerting.firing())
            return Detection(part, *pages.result(), doctor.result(), alert.result(), load)
        except BaseException:
            interrupted.set()
            raise
        finally:
            page.close()


def is_named(findings: list[dict[str, Any]], part: Watched) -> bool:
    """Whether doctor says that the part does not run."""
    return any(
        each["check"] == "parts" and each["says"].startswith(f"{part.name} is ")
        for each in findings
    )
