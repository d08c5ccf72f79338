"""A shell completes what is typed after `coupon`, without a word on the terminal."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from stack.folder import StateFolder

COUPON = Path(sys.executable).with_name("coupon")
DEADLINE_S = 60

IN_BASH = """
source "$1"
COMP_WORDS=("$2" "${@:3}")
COMP_CWORD=$(( ${#COMP_WORDS[@]} - 1 ))
_coupon_completion "$2"
printf '%s\\n' "${COMPREPLY[@]}"
"""


def _run(*command: str | Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=True,
    )


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("completion") / "coupon.bash"
    path.write_text(_run(COUPON, "completion", "bash").stdout)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> StateFolder:
    """A stack in which two consumers and the API were started once."""
    folder = StateFolder(tmp_path / "state")
    folder.create()
    for name in ("api", "consumer-1", "consumer-2"):
        (folder.path / "run" / f"{name}.json").write_text("{}")
    return folder


def _complete(script: Path, folder: StateFolder, *words: str) -> list[str]:
    done = _run(
        "bash", "-c", IN_BASH, "bash", script, COUPON, *words,
        COUPON_STATE_DIR=str(folder.path),
        COUPON_API_URL="http://192.0.2.1:1",
    )  # fmt: skip
    assert done.stderr == ""
    return done.stdout.split()


def test_bash_completes_commands_and_options(script: Path, folder: StateFolder) -> None:
    assert _complete(script, folder, "doc") == ["doctor"]
    assert "--json" in _complete(script, folder, "status", "--")
    assert _complete(script, folder, "completion", "") == ["bash", "zsh", "fish"]


@pytest.mark.parametrize("command", ["logs", "stop", "restart"])
def test_bash_completes_names_of_parts(script: Path, folder: StateFolder, command: str) -> None:
    assert _complete(script, folder, command, "con") == ["consumer-1", "consumer-2"]


def test_without_a_stack_there_are_no_parts(script: Path, tmp_path: Path) -> None:
    assert _complete(script, StateFolder(tmp_path / "none"), "logs", "") == []


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_the_script_is_right_for_its_shell(shell: str, tmp_path: Path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    script = tmp_path / "script"
    script.write_text(_run(COUPON, "completion", shell).stdout)
    assert _run(shell, "-n", script).stderr == ""
