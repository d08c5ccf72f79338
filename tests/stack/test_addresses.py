"""Any command can be pointed at any stack: by its state folder, or by addresses."""

from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import ClassVar

import jwt
import pytest
from click.testing import CliRunner, Result

from cli.endpoints import find_endpoints
from cli.main import main
from coupons.endpoints import ENDPOINTS, Endpoints
from coupons.errors import ConfigurationError, PartNotRunningError
from stack.folder import StateFolder
from stack.lifecycle import bring_up
from stack.options import choose, remember
from tests.stack.conftest import web_part
from tests.support.http_servers import serving

ELSEWHERE = {
    "COUPON_API_URL": "http://api:8080",
    "COUPON_DATABASE_URL": "postgresql://somebody@postgres:5432/coupon?sslmode=require",
    "COUPON_REDIS_URL": "redis://valkey:6379/0",
    "COUPON_KAFKA_BOOTSTRAP_SERVERS": "kafka:9092",
    "COUPON_SCHEMA_REGISTRY_URL": "http://registry:8080/apis/ccompat/v7",
    "COUPON_CONNECT_URL": "http://connect:8083",
}


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*ENDPOINTS, "COUPON_JWT_KEY_FILE", "COUPON_PASSWORDS_DIR", "COUPON_STATE_DIR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def stopped(folder: StateFolder) -> StateFolder:
    remember(folder, choose(folder, "+500", {}, consumers=1, servers_only=False))
    return folder


def _find(folder: StateFolder, environment: dict[str, str], *, named: bool = False) -> Endpoints:
    return find_endpoints(folder, named, "ops", environment)


def test_the_addresses_of_the_environment_are_those_of_the_stack(folder: StateFolder) -> None:
    assert dict(_find(folder, ELSEWHERE)) == ELSEWHERE


def test_a_named_state_folder_goes_before_the_environment(
    stopped: StateFolder, tmp_path: Path
) -> None:
    bring_up(stopped, [web_part("api", tmp_path)], [], lambda *_: None)
    assert _find(stopped, ELSEWHERE, named=True)["COUPON_API_URL"] == "http://127.0.0.1:8500"
    assert _find(stopped, {})["COUPON_API_URL"] == "http://127.0.0.1:8500"


@pytest.mark.parametrize("variable", ENDPOINTS)
def test_the_address_of_a_part_that_is_not_running_is_not_given(
    stopped: StateFolder, variable: str
) -> None:
    with pytest.raises(PartNotRunningError, match="is not running: start it with `coupon up`"):
        _find(stopped, {})[variable]


class _Asked(BaseHTTPRequestHandler):
    """A neighbour's server, which must not be asked for anything."""

    requests: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.requests.append(f"{self.command} {self.path}")
        self.send_error(404)

    do_DELETE = do_GET


@pytest.mark.parametrize("command", ["connector status", "connector delete --yes", "status"])
def test_a_stack_that_is_down_never_asks_who_listens_on_its_ports(
    stopped: StateFolder, command: str
) -> None:
    with serving(HTTPServer(("127.0.0.1", 0), _Asked)) as neighbour:
        remember(stopped, choose(stopped, None, {"connect": neighbour.server_port}, None, False))
        told = _coupon({}, *command.split(), "--state", stopped.path)
    assert _Asked.requests == []
    assert told.exit_code != 0
    assert "connect of the stack in" in told.output


def test_deleting_the_connector_asks_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cli.options._is_terminal", lambda: True)
    refused = CliRunner(env=ELSEWHERE).invoke(main, ["connector", "delete"], input="n\n")
    assert refused.exit_code == 1
    assert "Delete coupon-cdc at http://connect:8083?" in refused.output


def test_two_stacks_are_never_mixed(stopped: StateFolder) -> None:
    found = _find(stopped, {"COUPON_REDIS_URL": "redis://valkey:6379/0"})
    with pytest.raises(
        ConfigurationError, match="COUPON_DATABASE_URL is not set, but COUPON_REDIS"
    ):
        found["COUPON_DATABASE_URL"]


def test_every_command_becomes_its_own_role_of_postgres(
    folder: StateFolder, tmp_path: Path
) -> None:
    (tmp_path / "coupon_ops").write_text("p/w\n")
    environment = {**ELSEWHERE, "COUPON_PASSWORDS_DIR": str(tmp_path)}
    assert (
        _find(folder, environment)["COUPON_DATABASE_URL"]
        == "postgresql://coupon_ops:p%2Fw@postgres:5432/coupon?sslmode=require"
    )
    (tmp_path / "coupon_ops").unlink()
    found = _find(folder, environment)
    assert found["COUPON_REDIS_URL"] == ELSEWHERE["COUPON_REDIS_URL"]
    with pytest.raises(ConfigurationError, match="the password of coupon_ops cannot be read"):
        found["COUPON_DATABASE_URL"]


def _coupon(environment: dict[str, str], *arguments: object) -> Result:
    return CliRunner(env=environment).invoke(main, [str(each) for each in arguments])


def test_a_token_is_signed_with_the_key_that_the_environment_names(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("k" * 40)
    environment = {**ELSEWHERE, "COUPON_JWT_KEY_FILE": str(key)}
    printed = _coupon(environment, "token", "--user", 7)
    claims = jwt.decode(
        printed.output.strip(), "k" * 40, algorithms=["HS256"], audience="coupon-api"
    )
    assert claims["sub"] == "7"


@pytest.mark.parametrize("command", ["verify", "rush", "token --user 1", "connector status"])
def test_a_command_without_an_address_that_it_needs_names_it(command: str) -> None:
    needed = {"verify": "COUPON_DATABASE_URL", "connector status": "COUPON_CONNECT_URL"}
    told = _coupon({"COUPON_SCHEMA_REGISTRY_URL": "http://registry"}, *command.split())
    assert told.exit_code == 2
    assert f"{needed.get(command, 'COUPON_JWT_KEY_FILE')} is not set" in told.output


def test_state_on_the_command_line_goes_before_the_environment(tmp_path: Path) -> None:
    told = _coupon(ELSEWHERE, "verify", "--state", tmp_path / "nothing")
    assert told.exit_code == 2
    assert "there is no stack in" in told.output
