"""Checks of the health that the API and the consumers report over HTTP."""

from collections.abc import Iterator
from http import HTTPStatus

import requests

from coupons.endpoints import CONSUMER_URLS, MANAGEMENT_URL
from coupons.errors import STOPPED_AT_LIMIT
from coupons.links.web import WebService, why_no_response
from operations.doctor.commands import StackCommand, read_log, start
from operations.doctor.findings import Finding, Section, elsewhere, failing, ok
from operations.doctor.system import System

_API_ANSWER_SECONDS = 8.0
_CONSUMER_ANSWER_SECONDS = 3.0


def check_api(system: System) -> Iterator[Finding]:
    """Raises nothing: an API that does not answer is a finding."""
    if system.options is not None and system.options.servers_only:
        return
    if system.management_url is None:
        yield elsewhere("api", f"{MANAGEMENT_URL} is not set; ask its /readyz where it runs")
        return
    service = WebService(system.management_url)
    try:
        answer = service.request("GET", "/readyz", _API_ANSWER_SECONDS)
    except requests.RequestException as error:
        says = f"the API does not answer at {service.url} ({why_no_response(error)})"
        yield failing("api", says, start("the API"), Section.PART_DOWN)
        return
    if answer.status_code == HTTPStatus.NOT_FOUND:
        says = f"what answers at {service.url} is not the API's management address"
        yield failing("api", says, f"set {MANAGEMENT_URL} to where it is", Section.PART_DOWN)
    elif answer.ok:
        yield ok("api", "it answers and accepts claims")
    else:
        says = f"it answers {answer.status_code}: {_not_ready(answer)}"
        yield failing("api", says, "coupon gate status", Section.API_503)


def _not_ready(answer: requests.Response) -> str:
    """What is not ready."""
    try:
        states = {name: str(state) for name, state in answer.json().items() if name != "status"}
    except (ValueError, AttributeError):
        return answer.text[:200]
    bad = [f"{name} is {state}" for name, state in states.items() if state != "ready"]
    return "; ".join(bad) or answer.text[:200]


def check_consumers(system: System) -> Iterator[Finding]:
    """Ask each consumer whose address is known."""
    if not system.consumer_urls and system.folder is None:
        says = f"{CONSUMER_URLS} is not set; their /healthz says what they wait for"
        yield elsewhere("consumers", says)
    for name, url in system.consumer_urls.items():
        yield _health(name, url)


def _health(name: str, url: str) -> Finding:
    again = StackCommand(f"coupon restart {name}", "restart that consumer where it runs")
    log = read_log(name, "that consumer")
    try:
        answer = WebService(url).request("GET", "/healthz", _CONSUMER_ANSWER_SECONDS)
        says = None if answer.ok else str(answer.json().get("detail", answer.text[:200]))
    except requests.RequestException as error:
        says = f"{name} does not answer at {WebService(url).url} ({why_no_response(error)})"
        return failing("consumers", says, again, Section.CONSUMER_DOWN)
    if says is None:
        return ok("consumers", f"{name} makes progress")
    if says.startswith(STOPPED_AT_LIMIT):
        return failing(
            "consumers", f"{name} {says}", "coupon dead-letters list", Section.CONSUMER_STOPPED
        )
    return failing("consumers", f"{name}: {says}", log, Section.CONSUMER_DOWN)
