"""How long it takes from the kill of a part until monitor, doctor and alert name it."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any, NamedTuple

import requests

from chaos.drill.prometheus import Prometheus, prometheus
from chaos.drill.site import Site
from coupons.waiting import attempts, eventually
from stack.disposable import DisposableStack
from stack.options import existing
from stack.ports import HOST

Print = Callable[[str], None]

LIMITS_SECONDS = (5.0, 5.0, 60.0)
_LONGEST_SECONDS = 180.0
_PAUSE_SECONDS = 0.1
_WELL_WITHIN_SECONDS = 240.0


class Watched(NamedTuple):
    """A part. name: of the stack. shown_as: by the monitor, a source or a kind of process."""

    name: str
    shown_as: str
    alert: str


PARTS = (
    Watched("api", "api", "CouponApiMissing"),
    Watched("consumer-1", "consumer", "CouponConsumerMissing"),
    Watched("reconciler", "reconciler", "CouponProcessDown"),
    Watched("connect", "connect", "CouponConnectDown"),
    Watched("kafka", "kafka", "CouponKafkaDown"),
    Watched("valkey", "redis", "CouponRedisDown"),
    Watched("postgres", "postgres", "CouponPostgresDown"),
    Watched("registry", "schema-registry", "CouponSchemaRegistryDown"),
)


class Detection(NamedTuple):
    """Seconds from the kill until each names the part."""

    part: Watched
    monitor_s: float
    doctor_s: float
    alert_s: float

    @property
    def is_within_limits(self) -> bool:
        return all(
            seconds <= limit for seconds, limit in zip(self[1:], LIMITS_SECONDS, strict=True)
        )


def measure(stack: DisposableStack, site: Site, folder: Path, log: Print) -> Iterator[Detection]:
    """Kill each part once. Prometheus has the intervals and the alerts of the configuration."""
    with prometheus(folder, stack, every_second=False) as alerting:
        alerting.await_targets()
        for part in PARTS:
            # Alerts on rates over minutes still fire when all is well again.
            alerting.await_quiet({each.alert for each in PARTS}, _WELL_WITHIN_SECONDS)
            eventually(site.operator.is_all_ok, _WELL_WITHIN_SECONDS, "all is well")
            found = _kill(part, site, alerting)
            log(row(found))
            yield found
            stack.up()


def _kill(part: Watched, site: Site, alerting: Prometheus) -> Detection:
    url = f"http://{HOST}:{existing(site.stack.folder).ports['monitor']}/state.json"
    checks: tuple[Callable[[], bool], ...] = (
        lambda: is_shown(requests.get(url, timeout=5).json(), part),
        lambda: is_named(site.operator.findings(), part),
        lambda: part.alert in alerting.firing(),
    )
    interrupted = Event()
    began = time.monotonic()
    site.faults[f"kill {part.name}"].cause()

    def until(is_named: Callable[[], bool]) -> float:
        for _ in attempts(_LONGEST_SECONDS, _PAUSE_SECONDS):
            if interrupted.is_set() or is_named():
                return time.monotonic() - began
        raise AssertionError(f"{part.name} is not named within {_LONGEST_SECONDS:.0f} s")

    with ThreadPoolExecutor(len(checks)) as pool:
        try:
            return Detection(part, *pool.map(until, checks))
        except KeyboardInterrupt:
            interrupted.set()
            raise


def is_shown(state: dict[str, Any], part: Watched) -> bool:
    """Whether the monitor says that the part is unknown."""
    processes = [each for each in state["processes"] if each["part"] == part.shown_as]
    source = state["sources"].get(part.shown_as)
    return not all(each["known"] for each in [*processes, *([source] if source else [])])


def is_named(findings: list[dict[str, Any]], part: Watched) -> bool:
    """Whether doctor says that the part does not run."""
    return any(
        each["check"] == "parts" and each["says"].startswith(f"{part.name} is ")
        for each in findings
    )


HEAD = """| killed | monitor (s) | `coupon doctor` (s) | alert (s) | alert |
| --- | --- | --- | --- | --- |"""


def row(found: Detection) -> str:
    """A line of the table."""
    part = found.part
    return (
        f"| {part.name} | {found.monitor_s:.1f} | {found.doctor_s:.1f} | {found.alert_s:.0f}"
        f" | `{part.alert}` |"
    )
