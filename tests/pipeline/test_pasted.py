"""What README and runbook tell a reader to type is typed, in a shell, on a stack that runs."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from stack.disposable import DisposableStack
from tests.pipeline.pipeline import Pipeline
from tests.support.typed import ROOT
from tests.unit.test_pasted_commands import commands

DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "docs" / "runbook.md"]
NOT_RUN = (
    "coupon after-restore",  # the stack has to be down
    "coupon bench",  # minutes
    "coupon connector recover",  # tests/pipeline/test_recovery.py; its --dry-run is run
    "coupon connector delete",
    "coupon dead-letters discard",  # the letters of other tests
    "coupon dead-letters replay --all",
    "coupon dead-letters show",
    "coupon down",
    "coupon migrate",  # tests/ledger; `coupon up` does the same here
    "coupon restart",  # the parts of other tests
    "coupon rush",  # tests/pipeline/test_command.py
    "coupon stop",
    "coupon up --",  # another number of consumers
)
RUN_ANYWAY = "--dry-run"
SHELL = Path("/bin/bash")


def typed() -> list[str]:
    """Each line once, in order."""
    lines = [line for document in DOCUMENTS for line in commands(document)]
    ours = [line for line in lines if line.startswith(("coupon ", "export PATH="))]
    return [
        line
        for line in dict.fromkeys(ours)
        if RUN_ANYWAY in line or not line.startswith(NOT_RUN)
        if not re.search(r" (?:-f|--follow)$|\.\.\.", line)
    ]


@pytest.fixture
def settings_of_the_server_stay(stack: DisposableStack) -> Iterator[None]:
    yield
    undo = ["ALTER SYSTEM RESET max_slot_wal_keep_size", "SELECT pg_reload_conf()"]
    command = [sys.executable, "-m", "cli", "sql", "--as", "superuser", *undo]
    subprocess.run([*command, "--state", stack.folder.path], check=True, capture_output=True)


@pytest.mark.usefixtures("settings_of_the_server_stay")
@pytest.mark.parametrize("line", typed())
def test_a_line_of_the_documents_can_be_pasted(
    stack: DisposableStack, pipeline: Pipeline, line: str
) -> None:
    """It runs and answers: not 2 (wrong use), 3 (looked elsewhere) or 127 (no such program)."""
    filled = re.sub(r"\bPART\b", "postgres", line)
    filled = re.sub(r"\bPID\b", "0", filled)  # no session of Postgres has it
    filled = re.sub(r"\bN\b", str(pipeline.coupon.coupon_id), filled)
    filled = re.sub(r"--wait \d+", "--wait 1", filled)
    programs = str(Path(sys.executable).parent)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("COUPON_")},
        "PATH": f"{programs}:{os.environ['PATH']}",
        "COUPON_STATE_DIR": str(stack.folder.path),
    }
    done = subprocess.run(
        [SHELL, "-c", filled],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode in (0, 1), (filled, done.stdout, done.stderr)
    assert "Error: " not in done.stderr, (filled, done.stderr)


def test_what_env_prints_makes_a_shell_that_finds_coupon_and_its_stack(
    stack: DisposableStack,
) -> None:
    first = f"{sys.executable} -m ops env --role ops --state {stack.folder.path}"
    line = f'eval "$({first})" && coupon connector status && curl -sf $COUPON_API_URL/healthz'
    bare = {"PATH": "/usr/bin:/bin", "HOME": os.environ.get("HOME", "/")}
    done = subprocess.run(
        [SHELL, "-c", line], cwd=ROOT, env=bare, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
