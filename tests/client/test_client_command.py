"""`coupon client`: each command over the API, with output for people and for programs."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from chaos.link import Link
from cli.commands.client import command
from cli.exit_codes import NOT_ANSWERED, USAGE, WRONG
from cli.main import main
from coupons.tokens import SCOPES, mint_token
from tests.support.api import SECRET
from tests.support.json_answers import checked_json

Issued = Callable[[int, int], str]


class Shell:
    """Types commands with a token that may do everything, and keeps which were typed."""

    def __init__(self, url: str, token_file: Path) -> None:
        self._options = ["--url", url, "--token-file", str(token_file), "--within", "0"]
        self.typed: set[str] = set()

    def json(self, name: str, *arguments: str, code: int = 0) -> Any:
        """The document of a command that ends with that exit code."""
        self.typed.add(name)
        ended, document = checked_json(f"coupon client {name}", *arguments, *self._options)
        assert ended == code, document
        return document

    def text(self, name: str, *arguments: str) -> Result:
        """What a person sees."""
        return CliRunner().invoke(main, ["client", name, *arguments, *self._options])


@pytest.fixture
def shell(link: Link, tmp_path: Path) -> Shell:
    file = tmp_path / "token"
    file.write_text(f"{mint_token(SECRET, 4711, SCOPES, 600)}\n")
    return Shell(link.url, file)


def test_every_command_does_what_its_method_does(
    shell: Shell, issued: Issued, tmp_path: Path
) -> None:
    """Each ends with 0 and one document; the state of a coupon and of an issued one follows."""
    terms = ["--discount", '{"percent": 10}', "--valid-until", "2100-01-01T00:00:00Z", "--draft"]
    draft = shell.json("create-coupon", "A tenth off", "10", "--id", "3000", *terms)
    assert (draft["id"], draft["state"], draft["discount"]) == (3000, "draft", {"percent": 10})
    assert draft["valid_until"] == "2100-01-01T00:00:00Z"
    opened = shell.json("change-coupon", "3000", "--version", str(draft["version"]), "--open")
    more = ["--quantity", "20", "--remove", "valid_until"]
    changed = shell.json("change-coupon", "3000", "--version", str(opened["version"]), *more)
    assert (changed["total_quantity"], changed["valid_until"]) == (20, None)
    _use_codes(shell, tmp_path)
    _list_users(shell, tmp_path)
    _wait(shell)
    _live(shell, issued)
    _wait_in_line(shell, issued)
    for name, state in (("pause", "paused"), ("resume", "open"), ("close", "closed")):
        assert shell.json(f"{name}-coupon", "3000")["state"] == state
    assert shell.json("archive-coupon", "3000")["state"] == "archived"
    assert shell.json("read-coupon", "3000")["state"] == "archived"
    assert [each["id"] for each in shell.json("list-coupons", "--only", "archived")] == [3000]
    draft = shell.json("create-coupon", "A mistake", "10", "--draft")
    version = ("--version", str(draft["version"]))
    assert shell.json("discard-draft", str(draft["id"]), *version)["id"] == draft["id"]
    first = shell.json("audit-coupon", "3000", "--limit", "1")
    assert [each["result"] for each in first] == ["done"]
    erasure = shell.json("erase-user", "4712")
    assert erasure["counts"]["issued_coupon"] == 0
    assert shell.json("read-erasure", erasure["id"]) == erasure
    assert shell.typed == command.commands.keys()


def _list_users(shell: Shell, folder: Path) -> None:
    """The gate is not told without a reconciler, so everybody may claim it in the end."""
    file = folder / "users.txt"
    file.write_text("4711\nx\n4712")
    uploaded = shell.json("upload-audience", "3000", str(file))
    assert (uploaded["audience"]["size"], uploaded["first_refused"][0]["line"]) == (2, 2)
    assert shell.json("read-audience", "3000")["kind"] == "list"
    assert shell.json("remove-audience", "3000")["kind"] == "everybody"


def _wait_in_line(shell: Shell, issued: Issued) -> None:
    shell.json("create-coupon", "One", "1", "--id", "3001")
    issued(3001, 4713)
    assert shell.json("switch-standby-list", "3001", "on")["is_on"] is True
    joined = shell.json("join-line", "3001")
    assert (joined["state"], joined["users_ahead"]) == ("waiting", 0)
    assert shell.json("read-line", "3001") == joined
    assert shell.json("read-standby-list", "3001")["waiting"] == 1
    assert shell.json("leave-line", "3001")["state"] == "left"


def _use_codes(shell: Shell, folder: Path) -> None:
    assert shell.json("choose-codes", "3000", "pool")["kind"] == "pool"
    file = folder / "codes.csv"
    file.write_text("SAVE-1\nSAVE-2\n")
    assert shell.json("upload-codes", "3000", str(file), "--no-header")["added"] == 2
    assert shell.json("remove-free-codes", "3000")["removed"] == 2
    assert shell.json("upload-codes", "3000", str(file), "--no-header")["added"] == 2
    assert shell.json("read-codes", "3000")["free"] == 2


def _wait(shell: Shell) -> None:
    later = ["--id", "3002", "--starts-at", "2090-01-01T00:00:00Z"]
    version = shell.json("create-coupon", "With a room", "10", *later)["version"]
    shown = shell.json("set-waiting-room", "3002", "5", "--order", "lot", "--version", str(version))
    assert shown["waiting_room"] == {"admits_per_second": 5, "order": "lot"}
    assert shell.json("read-waiting-room", "3002")["lot"] is None
    ticket = shell.json("arrive", "3002")["ticket"]
    waiting = shell.json("wait-for-turn", "3002", "--wait", "0", "--ticket", ticket)
    assert (waiting["is_your_turn"], waiting["ticket"]) == (False, ticket)
    assert shell.json("read-position", "3002")["arrived"] == 1
    removed = shell.json("remove-waiting-room", "3002", "--version", str(shown["version"]))
    assert removed["waiting_room"] is None


def _live(shell: Shell, issued: Issued) -> None:
    claimed = shell.json("claim-coupon", "3000")
    one = issued(3000, 4711)
    assert claimed["id"] == one
    assert shell.json("read-request", one)["status"] == "ISSUED"
    assert shell.json("wait-for-result", one, "--wait", "5")["issued_coupon_id"] == one
    for timeline in (
        shell.json("read-own-timeline", "3000"),
        shell.json("read-timeline", one),
    ):
        assert (timeline["request_id"], timeline["status"]) == (one, "ISSUED")
        assert [each["step"] for each in timeline["steps"]] == ["admitted", "accepted", "issued"]
    assert [each["id"] for each in shell.json("list-own-coupons", "--coupon", "3000")] == [one]
    assert shell.json("read-receipt", one).count(".") == 2
    assert shell.json("read-keys")["keys"]
    code = shell.json("give-code", one)["code"]
    assert shell.json("find-code", code)["issued_coupon_id"] == one
    assert shell.json("use-issued-coupon", one, "order-17")["state"] == "used"
    assert shell.json("cancel-use", one, "order-17")["state"] == "active"
    assert shell.json("revoke-issued-coupon", one, "--reason", "x")["state"] == "revoked"
    assert shell.json("read-issued-coupon", one)["reason"] == "x"
    assert len(shell.json("list-changes-of-issued-coupon", one)) == 3


def test_a_person_reads_fields_and_tables(shell: Shell) -> None:
    """Fields that are empty are left out; a list that was cut says so."""
    assert shell.text("list-coupons").output == "There are none.\n"
    for number in range(2):
        made = shell.text("create-coupon", f"number {number}", "10")
        assert f"number {number}\n" in made.stdout
        assert "valid_until" not in made.stdout
    listed = shell.text("list-coupons", "--limit", "1")
    assert "number 1" in listed.stdout
    assert "number 0" not in listed.stdout
    assert listed.stderr == "These are the first 1; --limit shows more.\n"


def test_a_person_reads_each_step_of_a_timeline_on_its_line(shell: Shell, issued: Issued) -> None:
    shell.json("create-coupon", "of a test", "10", "--id", "3000")
    shell.json("claim-coupon", "3000")
    issued(3000, 4711)
    lines = shell.text("read-own-timeline", "3000").output.splitlines()
    at = lines.index("steps")
    assert [line.split()[0] for line in lines[at + 1 : at + 4]] == [
        "admitted",
        "accepted",
        "issued",
    ]
    assert lines[at + 1].startswith("  admitted  2")


def test_each_failure_has_its_exit_code(shell: Shell, link: Link, tmp_path: Path) -> None:
    """1: refused. 2: it is not there, or wrong. 3: no answer."""
    made = shell.json("create-coupon", "Soon", "10", "--starts-at", "2100-01-01T00:00:00Z")
    refused = shell.json("claim-coupon", str(made["id"]), code=WRONG)
    assert "(not-open)" in refused["error"]["message"]
    shell.json("read-coupon", "999999999", code=USAGE)
    shell.json("change-coupon", str(made["id"]), "--version", "1", code=USAGE)
    (tmp_path / "token").write_text("wrong")
    shell.json("claim-coupon", "7", code=USAGE)
    (tmp_path / "token").write_text("")
    none = shell.json("claim-coupon", "7", code=USAGE)
    assert "There is no token" in none["error"]["message"]
    (tmp_path / "token").write_text("a-token")
    link.cut()
    shell.json("claim-coupon", "7", code=NOT_ANSWERED)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--starts-at", "tomorrow"),
        ("--starts-at", "9999-12-31T23:59:59-23:00"),
        ("--discount", "ten"),
        ("--discount", "[1]"),
        ("--url", "here"),
    ],
)
def test_a_wrong_value_is_named(option: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUPON_TOKEN", "a-token")
    url = ["--url", "http://127.0.0.1:1", "--within", "0"]
    code, document = checked_json("coupon client create-coupon", "x", "1", *url, option, value)
    assert (code, document["error"]["kind"]) == (USAGE, "usage")
