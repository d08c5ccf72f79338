"""Reads the monitor's /state.json. docs/how-to/watch.md describes its shape."""

from datetime import UTC, datetime
from typing import Any

import requests

from coupons.endpoints import MONITOR_URL, Endpoints
from coupons.errors import MonitorUnavailable
from coupons.links.web import WebService, why_no_response

ANSWER_TIMEOUT_SECONDS = 3.0
_PATH = "/state.json"

Document = dict[str, Any]

_EMPTY: Document = {
    "sources": {name: {} for name in ("postgres", "redis", "kafka", "connect", "dead-letters")},
    "processes": [],
    **dict.fromkeys(("pipeline", "gate", "ledger", "slot", "connector", "dead_letters")),
    "dead_letter_limit_reached": None,
    "disks": None,
    "coupons_live": None,
    "coupons": [],
}
"""A state in which nothing is known."""


def read_state(where: Endpoints) -> Document:
    """What the monitor says now.

    Raises MonitorUnavailable, and PartNotRunningError where the embedded stack has stopped it.
    """
    service = WebService(where[MONITOR_URL])
    try:
        answer = service.request("GET", _PATH, ANSWER_TIMEOUT_SECONDS)
        document = answer.json() if answer.ok else None
    except requests.JSONDecodeError:
        document = None
    except requests.RequestException as error:
        raise MonitorUnavailable(
            f"the monitor does not answer at {service.url} ({why_no_response(error)}):"
            " `coupon status` shows whether it runs, `coupon up` starts it"
        ) from error
    if not isinstance(document, dict) or not _EMPTY.keys() <= document.keys():
        raise MonitorUnavailable(
            f"{service.url}{_PATH} is not the state of a monitor of this version: check"
            f" {MONITOR_URL}, and run `coupon restart monitor` after an upgrade"
        )
    return document


def all_unknown(last: Document | None, since: datetime) -> Document:
    """The state while the monitor does not answer: nothing is known since then.

    last: its last answer, whose servers and processes are still named.
    """
    unread = {"known": False, "unknown_since": since.isoformat(), "why": "the monitor is down"}
    named = last or _EMPTY
    return {
        **_EMPTY,
        "taken_at": datetime.now(UTC).isoformat(),
        "sources": dict.fromkeys(named["sources"], unread),
        "processes": [
            {**unread, "part": each["part"], "address": each["address"], "healthy": None}
            for each in named["processes"]
        ],
    }
