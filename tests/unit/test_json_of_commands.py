"""With --json, every command prints one document and ends with the documented exit code."""

import json
import time
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from cli.exit_codes import INTERRUPTED, NOT_ANSWERED, USAGE, WRONG
from cli.failures import wants_json
from cli.main import main
from coupons.endpoints import ENDPOINTS
from stack.folder import StateFolder
from stack.options import choose, remember
from stack.processes import Running
from tests.support.json_answers import checked_json, is_error
from tests.support.typed import leaves
from tests.unit.test_commands import WITHOUT_JSON

WITHOUT_STACK = {"coupon receipt key", "coupon receipt verify", "coupon rehearse key"}
COMMANDS = {path: command for path, command in leaves() if path not in WITHOUT_JSON | WITHOUT_STACK}
NOWHERE = "127.0.0.1:1"
REQUEST = "00000000-0000-800e-8000-000000001267"

NEEDED = {
    "coupon dead-letters discard": ["--all", "--reason", "a test"],
    "coupon dead-letters replay": ["--all"],
    "coupon dead-letters show": ["0:1"],
    "coupon client archive-coupon": ["7"],
    "coupon client arrive": ["7"],
    "coupon client audit-coupon": ["7"],
    "coupon client cancel-use": [REQUEST, "order-17"],
    "coupon client change-coupon": ["7", "--version", "1", "--name", "other"],
    "coupon client choose-codes": ["7", "made"],
    "coupon client claim-coupon": ["7"],
    "coupon client close-coupon": ["7"],
    "coupon client create-coupon": ["of a test", "3"],
    "coupon client discard-draft": ["7", "--version", "1"],
    "coupon client erase-user": ["4711"],
    "coupon client find-code": ["3Z4ND-NEZDR-635QM"],
    "coupon client give-code": [REQUEST],
    "coupon client join-line": ["7"],
    "coupon client leave-line": ["7"],
    "coupon client list-changes-of-issued-coupon": [REQUEST],
    "coupon client pause-coupon": ["7"],
    "coupon client read-audience": ["7"],
    "coupon client read-codes": ["7"],
    "coupon client read-coupon": ["7"],
    "coupon client read-erasure": [REQUEST],
    "coupon client read-issued-coupon": [REQUEST],
    "coupon client read-line": ["7"],
    "coupon client read-own-timeline": ["7"],
    "coupon client read-position": ["7"],
    "coupon client read-receipt": [REQUEST],
    "coupon client read-request": [REQUEST],
    "coupon client read-standby-list": ["7"],
    "coupon client read-timeline": [REQUEST],
    "coupon client read-waiting-room": ["7"],
    "coupon client remove-audience": ["7"],
    "coupon client remove-free-codes": ["7"],
    "coupon client remove-waiting-room": ["7", "--version", "1"],
    "coupon client resume-coupon": ["7"],
    "coupon client revoke-issued-coupon": [REQUEST, "--reason", "a test"],
    "coupon client set-waiting-room": ["7", "9", "--version", "1"],
    "coupon client switch-standby-list": ["7", "on"],
    "coupon client upload-audience": ["7", __file__],
    "coupon client upload-codes": ["7", __file__],
    "coupon client use-issued-coupon": [REQUEST, "order-17"],
    "coupon client wait-for-result": [REQUEST],
    "coupon client wait-for-turn": ["7"],
    "coupon connector delete": ["--yes"],
    "coupon erase": ["--user", "4711", "--yes"],
    "coupon events stop": ["--yes"],
    "coupon gate rebuild": ["--all"],
    "coupon logs": ["api"],
    "coupon retire": ["--to", str(Path(__file__).parent), "--yes"],
    "coupon migrate": ["--superuser-url", f"postgresql://postgres:x@{NOWHERE}/postgres"],
    "coupon rehearse purge": ["7", "--yes"],
    "coupon restart": ["nothing"],
    "coupon sql": ["SELECT 1"],
    "coupon stop": ["api"],
    "coupon token": ["--user", "4711"],
    "coupon trace": [REQUEST],
    "coupon up": ["--port", "nothing=1"],
}
"""What is typed so that the command begins its work; `up` and `restart` do not start anything."""

WHEN_DOWN = {
    "coupon doctor": WRONG,
    "coupon down": 0,
    "coupon env": 0,
    "coupon logs": 0,
    "coupon restart": USAGE,
    "coupon status": WRONG,
    "coupon stop": 0,
    "coupon support-bundle": 0,
    "coupon token": 0,
    "coupon up": USAGE,
}
"""The exit codes on a stack that is down; of all others: NOT_ANSWERED, with an error."""

ERRORS_WHEN_DOWN = {"coupon restart", "coupon up"}
EITHER_WHEN_DOWN = {"coupon trace"}
"""An error, or a timeline in which nothing is known."""


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in (*ENDPOINTS, "COUPON_STATE_DIR", "COUPON_PASSWORDS_DIR", "COUPON_SUPERUSER_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def down(tmp_path: Path) -> StateFolder:
    """A stack that has run, and is down."""
    folder = StateFolder(tmp_path / "state")
    folder.create()
    remember(folder, choose(folder, "+500", {}, consumers=1, servers_only=False))
    part = folder.part("api")
    part.save(Running(2**22 - 1, 1.0, "run", 2**22 - 1, time.time(), 0, 15, 1.0))
    part.exit_file.write_text("1 1")
    part.log.write_text("a line\n")
    return folder


def _arguments(path: str, folder: Path) -> list[str]:
    if path == "coupon migrate":
        passwords = folder.parent / "passwords"
        passwords.mkdir()
        for name in [f"coupon_{role}" for role in _roles()]:
            (passwords / name).write_text("x")
        return [*NEEDED[path], "--passwords", str(passwords)]
    return [*NEEDED.get(path, []), "--state", str(folder)]


def _roles() -> tuple[str, ...]:
    from coupons.ledger.roles import ROLES

    return tuple(ROLES)


@pytest.mark.parametrize("path", COMMANDS)
def test_a_line_that_is_wrong_is_an_error_with_exit_code_2(path: str) -> None:
    code, document = checked_json(path, "--no-such-option")
    assert (code, document["error"]["kind"]) == (USAGE, "usage")
    assert "--no-such-option" in document["error"]["message"]


@pytest.mark.parametrize("path", sorted(COMMANDS.keys() - {"coupon migrate", "coupon up"}))
def test_without_a_stack_the_error_says_how_to_start_one(path: str, tmp_path: Path) -> None:
    code, document = checked_json(path, *_arguments(path, tmp_path / "none"))
    assert code == USAGE
    assert "start one with `coupon up" in document["error"]["message"]


@pytest.mark.parametrize("path", COMMANDS)
def test_on_a_stack_that_is_down_each_command_says_so(path: str, down: StateFolder) -> None:
    code, document = checked_json(path, *_arguments(path, down.path))
    assert code == WHEN_DOWN.get(path, NOT_ANSWERED)
    if path not in EITHER_WHEN_DOWN:
        assert is_error(document) == (path not in WHEN_DOWN or path in ERRORS_WHEN_DOWN)


@pytest.mark.parametrize(
    ("raised", "code", "kind"),
    [
        (click.Abort(), WRONG, "failed"),
        (KeyboardInterrupt(), INTERRUPTED, "interrupted"),
        (PermissionError(13, "Permission denied", "x"), WRONG, "failed"),
    ],
)
def test_whatever_ends_a_command_has_its_kind(
    raised: BaseException, code: int, kind: str, monkeypatch: pytest.MonkeyPatch, down: StateFolder
) -> None:
    def fail(*_: object) -> None:
        raise raised

    monkeypatch.setattr("cli.commands.env.exports", fail)
    ended, document = checked_json("coupon env", "--state", str(down.path))
    assert (ended, document["error"]["kind"]) == (code, kind)


def test_without_json_an_error_is_a_sentence_on_standard_error(down: StateFolder) -> None:
    done = CliRunner().invoke(main, ["verify", "--state", str(down.path)])
    assert (done.exit_code, done.stdout) == (NOT_ANSWERED, "")
    assert done.stderr.startswith("Error: ")


@pytest.mark.parametrize(
    ("line", "wants"),
    [
        (["verify", "--json"], True),
        (["--json"], True),
        (["verify"], False),
        ([], False),
        (["sql", "--", "--json"], False),
        (["bench", "--json"], False),
    ],
)
def test_the_option_is_found_in_a_line_that_may_be_wrong(line: list[str], wants: bool) -> None:
    assert wants_json(line) is wants


def test_the_page_of_the_command_shows_the_shape_that_is_printed() -> None:
    page = (Path(__file__).parents[2] / "docs" / "reference" / "cli.md").read_text("utf-8")
    [shown] = [line for line in page.splitlines() if line.startswith('{"error"')]
    assert json.loads(shown)["error"].keys() == {"kind", "message", "exit_code"}
