"""Checks of the consumers: what each says of itself, and whether the group makes progress."""

import time
from collections.abc import Iterator, Mapping

import requests

from coupons.kafka_admin import KafkaAdmin
from coupons.web import WebService
from operations.doctor.findings import Finding, Section, elsewhere, failing, ok
from operations.doctor.system import System

STANDS_STILL_SECONDS = 5.0
"""Heartbeats come every second, and each batch is committed: a group that works moves."""

_ANSWER_SECONDS = 3.0
_PAUSE_SECONDS = 0.5
_STOPPED = "stopped: "
"""How a consumer that is at the limit begins its answer."""


def check_consumers(places: System) -> Iterator[Finding]:
    """Ask each consumer whose address is known."""
    if not places.consumer_urls and places.folder is None:
        says = "COUPON_CONSUMER_URLS is not set; their /healthz tells what they wait for"
        yield elsewhere("consumers", says)
    for name, url in places.consumer_urls.items():
        yield _health(name, url, is_part=places.folder is not None)


def _health(name: str, url: str, is_part: bool) -> Finding:
    log = f"coupon logs {name}" if is_part else "look into the log of that consumer"
    try:
        answer = WebService(url).request("GET", "/healthz", _ANSWER_SECONDS)
        says = None if answer.ok else str(answer.json().get("detail", answer.text[:200]))
    except (requests.RequestException, ValueError) as error:
        kind = "no answer in time" if isinstance(error, requests.Timeout) else "no connection"
        says = f"{name} does not answer at {WebService(url).url} ({kind})"
        again = f"coupon restart {name}" if is_part else "restart that consumer"
        return failing("consumers", says, again, Section.CONSUMER_AWAY)
    if says is None:
        return ok("consumers", f"{name} makes progress")
    if says.startswith(_STOPPED):
        return failing(
            "consumers", f"{name} {says}", "coupon dead-letters list", Section.CONSUMER_STOPPED
        )
    return failing("consumers", f"{name}: {says}", log, Section.CONSUMER_AWAY)


def check_progress(places: System) -> Iterator[Finding]:
    """Whether the group handles what waits for it. Raises KafkaUnavailable."""
    kafka = KafkaAdmin(places.kafka)
    began, first = time.monotonic(), kafka.committed(places.consumer_group)
    while (waiting := kafka.consuming(places.consumer_group).lag) > 0:
        if _moved(first, kafka.committed(places.consumer_group)):
            break
        seconds = time.monotonic() - began
        if seconds > STANDS_STILL_SECONDS:
            says = (
                f"the group handled nothing for {seconds:.0f} s, and {waiting} change events wait:"
                " its consumers were killed just now, hang, wait for a server, or have stopped at"
                " the dead-letter limit"
            )
            yield failing("progress", says, "coupon logs consumer-1", Section.CONSUMER_AWAY)
            return
        time.sleep(_PAUSE_SECONDS)
    yield ok("progress", "the consumers make progress with what waits for them")


def _moved(before: Mapping[tuple[str, int], int], now: Mapping[tuple[str, int], int]) -> bool:
    return any(offset > before.get(place, -1) for place, offset in now.items())
