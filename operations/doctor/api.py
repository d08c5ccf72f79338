"""Check of the API: it answers, and is ready to take claims."""

from collections.abc import Iterator
from http import HTTPStatus

import requests

from coupons.web import WebService
from operations.doctor.findings import Finding, Section, elsewhere, failing, ok
from operations.doctor.system import MANAGEMENT_URL, System

_ANSWER_SECONDS = 8.0


def check_api(places: System) -> Iterator[Finding]:
    """Nothing is raised: an API that does not answer is a finding."""
    if places.choices is not None and places.choices.servers_only:
        return
    if places.management_url is None:
        yield elsewhere("api", f"{MANAGEMENT_URL} is not set; ask its /readyz where it runs")
        return
    service = WebService(places.management_url)
    try:
        answer = service.request("GET", "/readyz", _ANSWER_SECONDS)
    except requests.RequestException as error:
        kind = "no answer in time" if isinstance(error, requests.Timeout) else "no connection"
        says = f"the API does not answer at {service.url} ({kind})"
        start = "coupon up" if places.folder else "start the API, then `coupon doctor` again"
        yield failing("api", says, start, Section.PART_DOWN)
        return
    if answer.status_code == HTTPStatus.NOT_FOUND:
        says = f"what answers at {service.url} is not the API's management address"
        yield failing("api", says, f"set {MANAGEMENT_URL} to where it is", Section.PART_DOWN)
    elif answer.ok:
        yield ok("api", "it answers, and takes claims")
    else:
        says = f"it answers {answer.status_code}: {_why(answer)}"
        yield failing("api", says, "coupon gate status", Section.API_503)


def _why(answer: requests.Response) -> str:
    """What is not ready, in words."""
    try:
        states = {name: str(state) for name, state in answer.json().items() if name != "status"}
    except (ValueError, AttributeError):
        return answer.text[:200]
    bad = [f"{name} is {state}" for name, state in states.items() if state != "ready"]
    return "; ".join(bad) or answer.text[:200]
