"""The stack comes up as a whole, or what was begun is undone and the reason told."""

import os
import signal
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from coupons.waiting import eventually
from stack.errors import PartFailedError, SettingError, StackError
from stack.folder import StateFolder
from stack.lifecycle import bring_up, take_down
from stack.parts import Part, is_running
from stack.report import report
from tests.stack.conftest import dying_part, program, web_part


def _quiet(_name: str, _stage: str, _seconds: float) -> None:
    pass


def _up(folder: StateFolder, *parts: Part) -> list[str]:
    return bring_up(folder, parts, [], _quiet)


def test_a_part_that_dies_while_starting_is_named_with_its_last_lines(
    folder: StateFolder, tmp_path: Path
) -> None:
    """A part that dies while starting is told with its last words and all is stopped."""
    first = web_part("first", tmp_path)
    bad = dying_part("bad", tmp_path, "no space left on the moon", after=("first",))

    with pytest.raises(PartFailedError) as failure:
        _up(folder, first, bad)

    assert "bad died while starting (exit code 3)" in str(failure.value)
    assert "no space left on the moon" in str(failure.value)
    assert not is_running(folder.part("first"))
    assert folder.part("first").last_run().family() == []  # type: ignore[union-attr]


def test_what_ran_before_a_failed_start_stays(folder: StateFolder, tmp_path: Path) -> None:
    first = web_part("first", tmp_path)
    _up(folder, first)
    with pytest.raises(PartFailedError):
        _up(folder, first, dying_part("bad", tmp_path, "bye"))
    assert is_running(folder.part("first"))


def test_only_the_words_of_this_start_are_shown(folder: StateFolder, tmp_path: Path) -> None:
    for words in ("an old trouble", "a new trouble"):
        with pytest.raises(PartFailedError) as failure:
            _up(folder, dying_part("bad", tmp_path, words))
    assert "a new trouble" in str(failure.value)
    assert "an old trouble" not in str(failure.value)


def test_a_part_that_never_works_is_given_up_at_its_deadline(
    folder: StateFolder, tmp_path: Path
) -> None:
    waits = "import signal; signal.pause()"
    idle = Part("idle", lambda: program(waits, cwd=tmp_path), lambda: False, {}, deadline_s=0.5)
    with pytest.raises(PartFailedError, match="idle was not ready in"):
        _up(folder, idle)
    assert not is_running(folder.part("idle"))


def test_a_part_that_runs_and_does_not_answer_is_named_with_the_way_back(
    folder: StateFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stack.lifecycle._ALIVE_DEADLINE_S", 0.5)
    part = web_part("web", tmp_path)
    _up(folder, part)
    run = folder.part("web").last_run()
    assert run is not None
    os.kill(run.pid, signal.SIGSTOP)
    with pytest.raises(PartFailedError, match=r"web runs .* does not answer.*coupon restart web"):
        _up(folder, replace(part, deadline_s=0.5))
    assert is_running(folder.part("web")), "what ran before a failed start stays"

    gracefully: list[bool] = []
    take_down(folder, ["web"], lambda _name, well: gracefully.append(well))
    assert gracefully == [True], "a stopped process goes on to take its signal"
    assert _up(folder, part) == ["web"]


def test_a_second_start_begins_only_what_is_down(folder: StateFolder, tmp_path: Path) -> None:
    parts = [web_part("first", tmp_path), web_part("second", tmp_path, after=("first",))]
    assert _up(folder, *parts) == ["first", "second"]
    assert _up(folder, *parts) == []

    os.kill(folder.part("second").last_run().pid, signal.SIGKILL)  # type: ignore[union-attr]
    eventually(folder.part("second").exit_file.exists, what="the exit is recorded")
    [first, second] = report(folder, parts)
    assert (first.state, second.state, second.last_exit) == ("up", "down", "signal 9")

    assert _up(folder, *parts) == ["second"]
    assert {each.state for each in report(folder, parts)} == {"up"}


@pytest.mark.parametrize("reuse", [False, True], ids=["plain", "SO_REUSEPORT"])
def test_a_taken_port_is_named_before_anything_starts(
    folder: StateFolder, tmp_path: Path, reuse: bool
) -> None:
    """A taken port is named with its part and option before anything starts."""
    first, second = web_part("first", tmp_path), web_part("second", tmp_path)
    port = second.ports["second"]
    with socket.socket() as other:
        if reuse:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", port))
        other.listen()
        with pytest.raises(SettingError, match=f"port {port}.*second.*--port second=NUMBER"):
            _up(folder, first, second)
    assert folder.part_names() == []


def test_taking_down_leaves_nothing_and_twice_is_no_error(
    folder: StateFolder, tmp_path: Path
) -> None:
    _up(folder, web_part("first", tmp_path), web_part("valkey", tmp_path))
    stopped: list[str] = []
    for _ in range(2):
        take_down(folder, folder.part_names(), lambda name, _: stopped.append(name))
    assert stopped == ["first", "valkey"], "applications stop before servers, and each once"


def test_a_folder_with_other_things_in_it_is_not_taken_for_a_state_folder(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").touch()
    with pytest.raises(SettingError, match="is not the state folder"):
        StateFolder(tmp_path).create()


def test_two_commands_do_not_change_one_stack_at_the_same_time(folder: StateFolder) -> None:
    with (
        folder.locked(),
        pytest.raises(StackError, match="another coupon command"),
        StateFolder(folder.path).locked(),
    ):
        pass
