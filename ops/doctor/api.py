"""Check of the API: it answers, and is ready to take claims."""

from collections.abc import Iterator
from http import HTTPStatus

import requests

from coupons.web import WebService
from ops.doctor.findings import Finding, Section, elsewhere, failing, ok
from ops.doctor.places import Places

_ANSWER_SECONDS = 8.0


def check_api(places: Places) -> Iterator[Finding]:
    """Nothing is raised: an API that does not answer is a finding."""
    if places.choices is not None and places.choices.servers_only:
        return
    if places.api_url is None:
        yield elsewhere("api", "COUPON_API_URL is not set; ask its /healthz where it runs")
        return
    service = WebService(places.api_url)
    try:
        # Where readiness has an address of its own, /healthz is what the public one tells.
        paths = ("/readyz", "/healthz")
        answers = (service.request("GET", path, _ANSWER_SECONDS) for path in paths)
        answer = next((each for each in answers if each.status_code != HTTPStatus.NOT_FOUND), None)
    except requests.RequestException as error:
        kind = "no answer in time" if isinstance(error, requests.Timeout) else "no connection"
        says = f"the API does not answer at {service.url} ({kind})"
        start = "coupon up" if places.folder else "start the API, then `coupon doctor` again"
        yield failing("api", says, start, Section.PART_DOWN)
        return
    if answer is None:
        says = f"what answers at {service.url} is not the API: it has neither /readyz nor /healthz"
        yield failing("api", says, "set COUPON_API_URL to where the API is", Section.PART_DOWN)
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
