"""What a message says to type works on the stack that the message is about."""

import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli.advice import command_for, runnable, with_commands_for
from cli.main import main
from coupons.endpoints import ENDPOINTS
from stack.endpoints import exports
from stack.folder import StateFolder, default_state
from stack.options import StackOptions, choose, remember, why_moved

ELSEWHERE = {"COUPON_API_URL": "http://api:8080", "COUPON_REDIS_URL": "redis://valkey:6379/0"}


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*ENDPOINTS, "COUPON_PASSWORDS_DIR", "COUPON_STATE_DIR", "COUPON_CONSUMER_URLS"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def stopped(folder: StateFolder) -> StateFolder:
    remember(folder, choose(folder, "+500", {}, consumers=2, servers_only=False))
    return folder


def _coupon(environment: dict[str, str], *arguments: object) -> Result:
    return CliRunner(env=environment).invoke(main, [str(each) for each in arguments])


@pytest.mark.parametrize(
    ("plain", "named"),
    [
        ("coupon up", "coupon up --state {}"),
        ("coupon logs consumer-1", "coupon logs --state {} consumer-1"),
        ("rm -r x && coupon up", "rm -r x && coupon up --state {}"),
        ("coupon gate status", "coupon gate status --state {}"),
        ("coupon connector recover --emit", "coupon connector recover --state {} --emit"),
        (
            'coupon sql --as owner "SELECT 1; coupon"',
            'coupon sql --state {} --as owner "SELECT 1; coupon"',
        ),
        ('eval "$(coupon env)"', 'eval "$(coupon env --state {})"'),
        ("start that server", "start that server"),
    ],
)
def test_a_command_names_the_folder_of_its_stack(
    stopped: StateFolder, plain: str, named: str
) -> None:
    assert command_for(plain, stopped) == named.format(stopped.path)
    assert command_for(command_for(plain, stopped), stopped) == command_for(plain, stopped)
    assert command_for(plain, None) == plain
    assert with_commands_for(f"Type `{plain}`; coupon status.", stopped) == (
        f"Type `{named.format(stopped.path)}`; coupon status."
    )


def test_a_folder_with_a_space_is_one_word(tmp_path: Path) -> None:
    path = tmp_path / "my stack"
    assert shlex.split(command_for("coupon up", StateFolder(path))) == [
        "coupon",
        "up",
        "--state",
        str(path),
    ]


def test_the_folder_that_a_plain_command_works_on_is_not_named(
    stopped: StateFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert command_for("coupon up", StateFolder(default_state())) == "coupon up"
    monkeypatch.setenv("COUPON_STATE_DIR", str(stopped.path))
    assert command_for("coupon up", stopped) == "coupon up"
    monkeypatch.setenv("COUPON_API_URL", "http://127.0.0.1:8500")
    assert command_for("coupon up", stopped) == "coupon up"
    monkeypatch.setenv("COUPON_API_URL", "http://127.0.0.1:8501")
    assert command_for("coupon up", stopped) == f"coupon up --state {stopped.path}"


@pytest.mark.parametrize("line", ["verify", "token --user 1", "gate status", "dead-letters list"])
def test_every_error_says_what_to_type_for_its_own_stack(stopped: StateFolder, line: str) -> None:
    (stopped.path / "stack.json").unlink()
    done = _coupon({}, *line.split(), "--state", stopped.path)
    assert done.exit_code == 2
    assert f"`coupon up --state {stopped.path}`" in " ".join(done.output.split())


def test_a_part_that_is_down_is_started_in_its_own_stack(stopped: StateFolder) -> None:
    done = _coupon({}, "connector", "status", "--state", stopped.path)
    assert done.exit_code == 3
    assert f"`coupon up --state {stopped.path}`" in done.output


def test_coupon_is_named_by_its_path_where_a_shell_does_not_find_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    says = runnable("See `coupon status`; stop with `coupon down`.")
    assert says.count("bin/coupon ") == 2
    (tmp_path / "coupon").write_text("#!/bin/sh\n")
    (tmp_path / "coupon").chmod(0o700)
    assert runnable("See `coupon status`.") == "See `coupon status`."


@pytest.mark.parametrize("line", ["status", "down", "stop api", "restart api", "logs api"])
def test_a_command_on_processes_says_when_addresses_are_not_its_own(
    stopped: StateFolder, line: str
) -> None:
    """A command on processes says that the addresses are of another stack."""
    here = {"COUPON_STATE_DIR": str(stopped.path)}
    says = f"This command works on the stack in {stopped.path}; the COUPON_* addresses"
    assert says in _coupon({**here, **ELSEWHERE}, *line.split()).stderr
    assert says not in _coupon(here, *line.split()).stderr
    own = {**here, "COUPON_API_URL": "http://127.0.0.1:8500"}
    assert says not in _coupon(own, *line.split()).stderr


def test_a_shell_learns_where_passwords_and_consumers_are(stopped: StateFolder) -> None:
    choices = choose(stopped, None, {}, None, False)
    values = exports(stopped, choices, "ops")
    assert (Path(values["COUPON_PASSWORDS_DIR"]) / "coupon_ops").exists()
    assert values["COUPON_CONSUMER_URLS"] == "http://127.0.0.1:29900,http://127.0.0.1:29901"
    alone = StackOptions(choices.ports, choices.consumers, servers_only=True)
    assert "COUPON_CONSUMER_URLS" not in exports(stopped, alone, "ops")


def test_a_stack_that_moves_says_why_and_where_to(folder: StateFolder) -> None:
    before = choose(folder, "+300", {}, None, False)
    moved = choose(folder, "+500", {}, None, False)
    assert why_moved(None, moved) is None
    assert why_moved(before, before) is None
    assert why_moved(before, moved) is None, "nobody was in its way: it was moved by hand"
