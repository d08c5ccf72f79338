"""The page of a running monitor over real servers, and browsers of operators."""

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event
from typing import Any

import pytest
import requests

from coupons.sign_in_links import make_code
from coupons.tokens import SCOPES, mint_token
from monitor.page.pages import build_page
from monitor.service import Monitor, serve_monitor
from monitor.settings import MonitorSettings
from stack.ports import HOST, free_ports
from tests.monitor.conftest import INTERVAL_SECONDS, NOWHERE, patient
from tests.support.api import SECRET
from tests.support.databases import Database

LINK_KEY = "a-key-of-links-of-the-tests-only-x"
_TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')


class Answer:
    """What the page answered."""

    def __init__(self, response: requests.Response) -> None:
        self.status = response.status_code
        self.headers = response.headers
        self.text = response.text
        self.cookies = response.headers.get("Set-Cookie", "")

    @property
    def csrf_token(self) -> str:
        found = _TOKEN.search(self.text)
        assert found, self.text
        return found[1]


class Operator:
    """A browser without JavaScript."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.session = requests.Session()
        # A kept connection may be closed by the server when a test lets the clock jump.
        self.session.headers["Connection"] = "close"

    def get(self, path: str, **headers: str) -> Answer:
        return Answer(
            self.session.get(self.url + path, headers=headers, timeout=20, allow_redirects=False)
        )

    def post(self, path: str, **fields: str) -> Answer:
        return Answer(
            self.session.post(self.url + path, data=fields, timeout=20, allow_redirects=False)
        )

    def sign_in(self, **fields: str) -> Answer:
        """By a code or a token, with the form's token."""
        return self.post("/sign-in", csrf_token=self.get("/sign-in").csrf_token, **fields)


class Served:
    """A monitor that is served on a port."""

    def __init__(self, settings: MonitorSettings) -> None:
        self.monitor = Monitor(settings)
        self.url = f"http://{HOST}:{settings.monitor_port}"
        self.page = build_page(settings, self.monitor.state)
        self._server = serve_monitor(self.monitor, settings)
        self._stop = Event()
        self.monitor.start(self._stop)

    def browser(self) -> Operator:
        """Of somebody who is not signed in."""
        return Operator(self.url)

    def operator(self, acts: bool = False) -> Operator:
        """Of somebody who is."""
        browser = self.browser()
        answer = browser.sign_in(code=code(acts=acts))
        assert answer.status == 303, answer.text
        return browser

    def seconds_of(self, path: str, operator: Operator) -> float:
        """The processor time that the page takes for one request, without the network."""
        [(name, value)] = operator.session.cookies.items()
        client = self.page.test_client()
        client.set_cookie(name, value, domain=HOST)
        began = time.thread_time()
        answer = client.get(path, base_url=self.url)
        spent = time.thread_time() - began
        assert answer.status_code == 200
        return spent

    def stop(self) -> None:
        self._stop.set()
        self._server.shutdown()


def code(who: str = "ana", acts: bool = False, key: str = LINK_KEY) -> str:
    return make_code(key, who, acts)


def token(*scopes: str, expires_seconds: int = 60) -> str:
    return mint_token(SECRET, 42, scopes or SCOPES[2:], expires_seconds)


Serve = Callable[..., Served]


@pytest.fixture
def serve(database: Database, valkey_url: str, key_file: Path) -> Iterator[Serve]:
    """Serves monitors of the test's Postgres and Redis; Kafka is down."""
    served: list[Served] = []

    def start(**settings: Any) -> Served:
        values = {
            "database_url": database.url("coupon_monitor"),
            "monitor_operator_database_url": database.url("coupon_ops"),
            "redis_url": valkey_url,
            "kafka_bootstrap_servers": NOWHERE,
            "schema_registry_url": f"http://{NOWHERE}",
            "connect_url": f"http://{NOWHERE}",
            "monitor_interval_seconds": INTERVAL_SECONDS,
            "monitor_timeout_seconds": INTERVAL_SECONDS,
            "monitor_port": free_ports(["monitor"])["monitor"],
            "monitor_link_key": LINK_KEY,
            "jwt_key_file": key_file,
        }
        served.append(Served(patient(MonitorSettings(**{**values, **settings}))))
        return served[-1]

    yield start
    for each in served:
        each.stop()


@pytest.fixture
def served(serve: Serve) -> Served:
    """One of them."""
    return serve()
