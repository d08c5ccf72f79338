"""The doctor of a stack whose parts are down looks at the rest, and at nobody else's servers."""

import json
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
from click.testing import CliRunner

from cli.main import main
from coupons.endpoints import ENDPOINTS
from stack.folder import StateFolder
from stack.lifecycle import bring_up
from stack.options import choose, remember
from tests.stack.conftest import web_part
from tests.support.http_servers import serving


class _Neighbour(BaseHTTPRequestHandler):
    requests: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.requests.append(self.path)
        self.send_error(500)


def test_the_doctor_names_what_is_down_and_asks_no_neighbour(
    folder: StateFolder, tmp_path: Path
) -> None:
    with serving(HTTPServer(("127.0.0.1", 0), _Neighbour)) as neighbour:
        ports = {"connect": neighbour.server_port, "management": neighbour.server_port}
        remember(folder, choose(folder, "auto", ports, 1, False))
        bring_up(folder, [web_part("reconciler", tmp_path)], [], lambda *_: None)
        done = CliRunner().invoke(main, ["doctor", "--json", "--state", str(folder.path)])
    assert _Neighbour.requests == []
    findings = json.loads(done.output)
    assert done.exit_code == 1, "something is failing, and that was seen"
    text = done.output
    for part in ("postgres", "valkey", "kafka", "registry", "connect", "consumer-1"):
        assert part in text, text
    assert "Traceback" not in text
    assert findings


@pytest.fixture
def shell(folder: StateFolder, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """After `eval "$(coupon env --state FOLDER)"`."""
    for name in (*ENDPOINTS, "COUPON_STATE_DIR"):
        monkeypatch.delenv(name, raising=False)
    remember(folder, choose(folder, "auto", {}, 1, False))
    folder.secret("coupon_ops")  # as the start of Postgres does
    printed = CliRunner().invoke(main, ["env", "--json", "--state", str(folder.path)]).stdout
    for name, value in json.loads(printed).items():
        monkeypatch.setenv(name, value)
    return monkeypatch


@pytest.fixture
def addresses(shell: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The same of the folder that no option has to name."""
    shell.delenv("COUPON_STATE_DIR")
    return shell


def test_the_folder_that_the_shell_names_is_looked_at(shell: pytest.MonkeyPatch) -> None:
    """Its processes and disks too, and what is to type needs no `--state`."""
    done = CliRunner().invoke(main, ["doctor", "--json"])
    found = {each["check"]: each for each in json.loads(done.stdout)["findings"]}
    assert "elsewhere" not in {found["parts"]["level"], found["disk"]["level"]}
    assert "--state" not in done.stdout
    shell.setenv("COUPON_REDIS_URL", "redis://127.0.0.1:1/0")
    done = CliRunner().invoke(main, ["doctor", "--json"])
    found = {each["check"]: each for each in json.loads(done.stdout)["findings"]}
    assert found["parts"]["level"] == "elsewhere"


def of_machine() -> dict[str, Any]:
    """What the doctor finds of processes and disks, by the addresses of the shell."""
    findings = json.loads(CliRunner().invoke(main, ["doctor", "--json"]).stdout)["findings"]
    return {each["check"]: each for each in findings if each["check"] in ("parts", "disk")}


def test_with_the_addresses_of_a_stack_on_this_machine_it_looks_at_its_processes(
    addresses: pytest.MonkeyPatch, folder: StateFolder
) -> None:
    """And names the folder in what is to type, because the shell does not."""
    found = of_machine()
    assert found["parts"]["level"] == "failing"
    assert f"--state {folder.path}" in found["parts"]["command"]
    assert found["disk"]["level"] != "elsewhere"


def test_with_addresses_of_another_stack_it_names_no_folder(
    addresses: pytest.MonkeyPatch,
) -> None:
    addresses.setenv("COUPON_REDIS_URL", "redis://127.0.0.1:1/0")
    found = of_machine()
    assert {each["level"] for each in found.values()} == {"elsewhere"}
    assert not any("--state" in each["says"] for each in found.values())
