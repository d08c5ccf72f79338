"""The `coupon` command: wrong use is told in one line, and what it prints is what it says."""

import json
import shlex
from pathlib import Path

import jwt
import pytest
from click.testing import CliRunner, Result

from cli.main import main
from stack.errors import SettingError
from stack.folder import StateFolder
from stack.options import StackOptions, choose, remember
from stack.ports import SERVER_PORTS


def _coupon(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(each) for each in arguments])


@pytest.fixture
def stopped(folder: StateFolder) -> StateFolder:
    """The folder of a stack that was up once, and is down."""
    remember(folder, choose(folder, "+500", {}, consumers=2, servers_only=False))
    return folder


@pytest.mark.parametrize("name", ["down", "status", "env", "token --user 1", "logs api"])
def test_commands_on_a_stack_that_does_not_exist_say_how_to_start_one(
    tmp_path: Path, name: str
) -> None:
    result = _coupon(*name.split(), "--state", tmp_path / "nothing")
    assert result.exit_code == 2
    assert "there is no stack in" in result.output
    assert "coupon up" in result.output


@pytest.mark.parametrize(
    "arguments",
    [
        ["up", "--ports", "some"],
        ["up", "--port", "api"],
        ["up", "--port", "nobody=1"],
        ["up", "--port", "api=70000"],
        ["up", "--consumers", "0"],
        ["token", "--user", "0"],
        ["token", "--user", "9223372036854775808"],
        ["token", "--user", "1", "--expires", "soon"],
        ["token", "--user", "1", "--scope", "everything"],
    ],
    ids=" ".join,
)
def test_wrong_usage_exits_2_without_a_stack_trace(
    stopped: StateFolder, arguments: list[str]
) -> None:
    result = _coupon(*arguments, "--state", stopped.path)
    assert result.exit_code == 2
    assert "Error: " in result.output
    assert isinstance(result.exception, SystemExit)


@pytest.mark.parametrize(
    "line",
    [
        "verify",
        "reconcile --dry-run",
        "gate status",
        "connector status",
        "connector schemas",
        "dead-letters list",
        "rush",
        "sql SELECT",
    ],
)
def test_a_server_that_does_not_answer_is_exit_code_3(folder: StateFolder, line: str) -> None:
    remember(folder, choose(folder, "auto", {}, consumers=1, servers_only=False))
    done = _coupon(*line.split(), "--state", folder.path)
    assert done.exit_code == 3, done.output


def test_status_of_a_stopped_stack_names_every_part_and_exits_1(stopped: StateFolder) -> None:
    result = _coupon("status", "--json", "--state", stopped.path)
    assert result.exit_code == 1
    parts = json.loads(result.output)["parts"]
    assert {"postgres", "kafka", "api", "reconciler", "consumer-1", "consumer-2"} <= {
        part["name"] for part in parts
    }
    assert {part["state"] for part in parts} == {"never started"}


def test_env_prints_exports_that_a_shell_takes(stopped: StateFolder) -> None:
    exports = _coupon("env", "--role", "api", "--state", stopped.path).output
    values = dict(
        shlex.split(line)[1].split("=", 1) for line in exports.splitlines() if line.strip()
    )
    programs = values.pop("PATH").removesuffix(":$PATH")
    assert (Path(programs) / "coupon").exists()
    assert values["COUPON_API_URL"] == "http://127.0.0.1:8500"
    assert values["COUPON_DATABASE_URL"].startswith("postgresql://coupon_api:")
    assert json.loads(
        _coupon("env", "--role", "api", "--json", "--state", stopped.path).output
    ) == (values)


def test_a_token_says_whose_it_is_what_it_allows_and_how_long(stopped: StateFolder) -> None:
    scopes = ["--scope", "coupon:issue", "--scope", "coupon:ops"]
    printed = _coupon("token", "--user", 4711, *scopes, "--expires", "5m", "--state", stopped.path)
    claims = jwt.decode(
        printed.output.strip(),
        stopped.secret("jwt.key"),
        algorithms=["HS256"],
        audience="coupon-api",
        issuer="coupon-cdc",
    )
    assert claims["sub"] == "4711"
    assert claims["scope"] == "coupon:issue coupon:ops"
    assert claims["exp"] - claims["iat"] == 300


def test_wipe_asks_first_and_names_what_it_removes(
    stopped: StateFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cli.options._is_terminal", lambda: True)
    arguments = ["down", "--wipe", "--state", str(stopped.path)]
    refused = CliRunner().invoke(main, arguments, input="n\n")
    assert refused.exit_code == 1
    assert str(stopped.path) in refused.output
    assert stopped.path.exists()

    assert _coupon(*arguments, "--yes").exit_code == 0
    assert not stopped.path.exists()


def test_ports_are_remembered_and_single_ones_can_be_moved(stopped: StateFolder) -> None:
    def ports(ports: str | None, single: dict[str, int]) -> StackOptions:
        chosen = choose(stopped, ports, single, consumers=None, servers_only=False)
        remember(stopped, chosen)
        return chosen

    assert ports(None, {}).ports["postgres"] == SERVER_PORTS["postgres"] + 500
    assert ports(None, {"api": 21999}).ports["api"] == 21999
    assert ports(None, {}).ports["api"] == 21999
    assert ports(None, {}).consumer_names == ["consumer-1", "consumer-2"]
    free = ports("auto", {}).ports
    assert len(set(free.values())) == len(free)


def test_stacks_whose_ports_are_100_apart_never_meet(folder: StateFolder) -> None:
    stacks = [
        set(choose(folder, f"+{offset}", {}, consumers=10, servers_only=False).ports.values())
        for offset in range(0, 2000, 100)
    ]
    assert sum(len(ports) for ports in stacks) == len(set().union(*stacks))


def test_an_offset_that_leaves_the_range_of_ports_is_refused(stopped: StateFolder) -> None:
    with pytest.raises(SettingError, match="is not between 1 and 65535"):
        choose(stopped, "+60000", {}, consumers=None, servers_only=False)


@pytest.mark.parametrize("line", ["down --wipe", "connector delete --connect-url http://connect"])
def test_nothing_is_removed_where_nobody_can_be_asked(stopped: StateFolder, line: str) -> None:
    done = _coupon(*line.split(), "--state", stopped.path)
    assert done.exit_code == 2
    said = " ".join(done.output.split())
    assert "Nothing was removed: there is no terminal to ask; --yes removes without asking." in said
    assert stopped.path.exists()
