"""Alertmanager sends what fires to its receiver, without what follows from another alert."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests

from coupons.waiting import eventually
from docs.make.alerts import RULES, alerts
from stack.ports import free_ports
from tests.support.http_servers import serving

ALERTMANAGER = RULES.with_name("alertmanager.yml")
SEVERITY = {each.name: each.severity for each in alerts()}


class Receiver(ThreadingHTTPServer):
    """Keeps the names of the alerts that were sent, by receiver."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.received: dict[str, set[str]] = {"page": set(), "inform": set()}


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        names = {each["labels"]["alertname"] for each in body["alerts"]}
        self.server.received[self.path.strip("/")] |= names
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with serving(Receiver()) as server:
        yield server


@contextmanager
def alertmanager(folder: Path, receiver: Receiver) -> Iterator[str]:
    """Its address. It has our configuration, but waits shorter and sends to the receiver here."""
    program = shutil.which("prometheus-alertmanager")
    if program is None:
        pytest.skip("no prometheus-alertmanager: apt install prometheus-alertmanager")
    text = ALERTMANAGER.read_text("utf-8")
    here = text.replace("host.docker.internal:9095", f"127.0.0.1:{receiver.server_port}")
    file = folder / "alertmanager.yml"
    file.write_text(re.sub(r"group_wait: \d+s", "group_wait: 500ms", here), "utf-8")
    address = f"127.0.0.1:{free_ports(['alertmanager'])['alertmanager']}"
    command = [program, f"--config.file={file}", f"--storage.path={folder / 'data'}"]
    command += [f"--web.listen-address={address}", "--cluster.listen-address="]
    with (folder / "log").open("w") as log, subprocess.Popen(command, stderr=log) as process:
        try:
            eventually(lambda: _is_ready(address), 20, "Alertmanager answers")
            yield address
        finally:
            process.terminate()


def _is_ready(address: str) -> bool:
    try:
        return requests.get(f"http://{address}/-/ready", timeout=2).ok
    except requests.RequestException:
        return False


@pytest.mark.parametrize(
    ("firing", "paged", "informed"),
    [
        (
            {"CouponKafkaDown", "CouponConnectDown", "CouponSlotInactive", "CouponWalNearLimit"},
            set(),
            {"CouponKafkaDown", "CouponWalNearLimit"},
        ),
        (
            {"CouponKafkaDown", "CouponHeartbeatOld", "CouponRequestsNotFinal"},
            {"CouponHeartbeatOld"},
            {"CouponKafkaDown"},
        ),
        ({"CouponRequestsNotFinal"}, {"CouponRequestsNotFinal"}, set()),
    ],
)
def test_the_receiver_gets_what_fires_without_what_follows(
    tmp_path: Path, receiver: Receiver, firing: set[str], paged: set[str], informed: set[str]
) -> None:
    with alertmanager(tmp_path, receiver) as address:
        sent = [
            {"labels": {"alertname": name, "severity": SEVERITY[name], "system": "coupon-cdc"}}
            for name in firing
        ]
        requests.post(f"http://{address}/api/v2/alerts", json=sent, timeout=5).raise_for_status()
        expected = {"page": paged, "inform": informed}
        eventually(lambda: receiver.received == expected, 20, "the receiver got the alerts")
