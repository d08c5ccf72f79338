"""What the documents tell a reader to type is typed, in a shell, on a stack that runs.

Of README, CONTRIBUTING and runbook line by line, because their lines stand alone; of every other
page on how to do something, all blocks together, as a reader would.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Producer

from coupons.change_events import REQUEST_TOPIC
from coupons.waiting import eventually
from stack.disposable import DisposableStack
from tests.pipeline.people import People
from tests.support.typed import ROOT
from tests.unit.test_pasted_commands import NOT_RUN as MARK
from tests.unit.test_pasted_commands import blocks, commands, name_of

RUNBOOK = ROOT / "docs" / "how-to" / "runbook.md"
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", RUNBOOK]
FIRST_COUPON = ROOT / "docs" / "start" / "first-coupon.md"
USE = ROOT / "docs" / "how-to" / "use-a-coupon.md"
WHOLE_LIFE = ROOT / "docs" / "start" / "whole-life.md"
REPLAY = ROOT / "docs" / "how-to" / "replay-dead-letters.md"
PAGES = [
    page
    for folder in ("start", "how-to")
    for page in sorted((ROOT / "docs" / folder).glob("*.md"))
    if page not in (RUNBOOK, FIRST_COUPON, USE, WHOLE_LIFE, REPLAY)  # these have tests of their own
]
NOT_RUN = (
    "coupon after-restore",  # the stack has to be down
    "coupon bench",  # minutes
    "coupon connector recover",  # tests/pipeline/test_recovery.py; its --dry-run is run
    "coupon connector delete",
    "coupon dead-letters discard",  # the letters of other tests
    "coupon dead-letters replay --all",
    "coupon dead-letters show",
    "coupon down",
    "coupon events start",  # tests/pipeline/test_events.py
    "coupon migrate",  # tests/ledger; `coupon up` does the same here
    "coupon restart",  # the parts of other tests
    "coupon rush",  # tests/pipeline/test_command.py
    "coupon stop",
    "coupon up --",  # another number of consumers
)
RUN_ANYWAY = "--dry-run"
SHELL = Path("/bin/bash")
BEFORE = """
set -uE
trap 'code=$?; [ $code -le 1 ] || { echo "exit code $code: $BASH_COMMAND" >&2; exit 99; }' ERR
make() {  # the stack of the tests is up already, and other tests use it afterwards
  case "$1" in up) coupon up && coupon rush ;; down) ;; *) return 2 ;; esac
}
"""
"""Ends a page at the first line that is not possible as typed, or finds no server."""


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


def run(stack: DisposableStack, script: str) -> subprocess.CompletedProcess[str]:
    """What a shell says that has `coupon` on its PATH and the stack of the tests in mind."""
    programs = str(Path(sys.executable).parent)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("COUPON_")},
        "PATH": f"{programs}:{os.environ['PATH']}",
        "COUPON_STATE_DIR": str(stack.folder.path),
    }
    return subprocess.run(
        [SHELL, "-c", script],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
    )


def script_of(page: Path) -> str:
    """Its blocks, but for those that say why they are not run."""
    text = "".join(block for block in blocks(page) if not block.startswith(MARK))
    return BEFORE + re.sub(r"--wait \d+", "--wait 1", text.replace(".venv/bin/coupon", "coupon"))


@pytest.fixture
def letter(stack: DisposableStack) -> str:
    """The place of a dead letter: of garbage that somebody wrote to the topic."""
    producer = Producer({"bootstrap.servers": stack.environment["COUPON_KAFKA_BOOTSTRAP_SERVERS"]})
    garbage = os.urandom(40)
    producer.produce(REQUEST_TOPIC, garbage, partition=0)
    assert producer.flush(30) == 0

    def place() -> str:
        letters = json.loads(run(stack, "coupon dead-letters list --json").stdout)
        assert letters, "none is there yet"
        shown = run(stack, f"coupon dead-letters show {letters[-1]['letter']} --json")
        assert json.loads(shown.stdout)["value"] == garbage.hex()
        return str(letters[-1]["letter"])

    return eventually(place, 60, "the garbage is dead-lettered")


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_the_blocks_of_a_page_can_be_pasted(stack: DisposableStack, page: Path) -> None:
    """Each line runs and answers: not 2 (wrong use), 3 (looked elsewhere) or 127 (no program)."""
    done = run(stack, script_of(page))
    assert done.returncode in (0, 1), (done.stdout, done.stderr)


def test_the_first_coupon_is_issued_as_the_page_says(stack: DisposableStack) -> None:
    done = run(stack, script_of(FIRST_COUPON))
    assert done.returncode in (0, 1), (done.stdout, done.stderr)
    assert re.findall(r'"status":"(\w+)"', done.stdout)[-3:] == ["ISSUED", "REQUESTED", "ISSUED"]


def test_an_issued_coupon_is_used_as_the_page_says(stack: DisposableStack) -> None:
    done = run(stack, script_of(USE))
    assert done.returncode in (0, 1), (done.stdout, done.stderr)
    states = re.findall(r'"state":"(\w+)"', done.stdout)
    assert states[-5:] == ["active", "active", "used", "active", "revoked"]
    assert re.findall(r'"to_state":"(\w+)"', done.stdout) == ["used", "active", "revoked"]


READ_EVENTS = "coupon events read --json"


@pytest.fixture
def events_end(stack: DisposableStack) -> Iterator[None]:
    """They are off afterwards, however the test ends: other tests begin with that."""
    yield
    run(stack, "coupon events stop --yes")


@pytest.mark.usefixtures("events_end")
def test_a_coupon_lives_as_the_page_says(stack: DisposableStack) -> None:
    """It is issued, used by one order only, active again, revoked, and each change is an event.

    A reader takes longer to come to the events than they take to arrive; a test waits for them.
    """
    before, read, end = script_of(WHOLE_LIFE).partition(READ_EVENTS)
    done = run(stack, before)
    assert done.returncode == 0, (done.stdout, done.stderr)
    assert re.findall(r'"total_quantity":(\d+)', done.stdout)[:2] == ["10", "20"]
    assert '"status":"ISSUED"' in done.stdout
    assert "problem:coupon-used" in done.stdout
    states = re.findall(r'"state":"(active|used|revoked)"', done.stdout)
    assert states == ["active", "used", "used", "active", "revoked"]
    assert "Everything adds up" in done.stdout
    assert '"listed_users":2' in done.stdout, "the draft was discarded, with its list"
    assert '"state":"archived"' in done.stdout
    [coupon_id] = set(re.findall(r'"coupon_id":"(\d+)"', done.stdout))
    lived = [f"coupon-cdc.coupon.{each}" for each in ("issued", "used", "use-cancelled", "revoked")]
    eventually(lambda: events_of(run(stack, read), coupon_id) == lived, 90, "all are events")
    done = run(stack, BEFORE + read + end)
    assert done.returncode == 0, (done.stdout, done.stderr)
    assert "Events are off" in done.stdout


def events_of(done: subprocess.CompletedProcess[str], coupon_id: str) -> list[str]:
    """The types of a coupon's events, in order, in what `coupon events read --json` printed."""
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)["events"]
    return [each["type"] for each in found if each["data"]["coupon_id"] == coupon_id]


def test_dead_letters_are_replayed_as_the_page_says(stack: DisposableStack, letter: str) -> None:
    done = run(stack, script_of(REPLAY).replace("0:17", letter))
    assert done.returncode in (0, 1), (done.stdout, done.stderr)
    assert letter in done.stdout


@pytest.fixture(scope="module")
def coupon_id(stack: DisposableStack) -> int:
    """One for all lines: `coupon verify` and `coupon reconcile` read every coupon there is."""
    return People(stack).create_coupon(total_quantity=10)


@pytest.fixture(scope="module")
def settings_of_the_server_stay(stack: DisposableStack) -> Iterator[None]:
    """For the modules after this one."""
    yield
    undo = ["ALTER SYSTEM RESET max_slot_wal_keep_size", "SELECT pg_reload_conf()"]
    command = [sys.executable, "-m", "cli", "sql", "--as", "superuser", *undo]
    subprocess.run([*command, "--state", stack.folder.path], check=True, capture_output=True)


@pytest.mark.usefixtures("settings_of_the_server_stay")
@pytest.mark.parametrize("line", typed())
def test_a_line_of_the_documents_can_be_pasted(
    stack: DisposableStack, coupon_id: int, line: str
) -> None:
    """It runs and answers: not 2 (wrong use), 3 (looked elsewhere) or 127 (no such program)."""
    filled = re.sub(r"\bPART\b", "postgres", line)
    filled = re.sub(r"\bPID\b", "0", filled)  # no session of Postgres has it
    filled = re.sub(r"\bN\b", str(coupon_id), filled)
    filled = re.sub(r"\bFOLDER\b", str(stack.folder.path), filled)
    filled = re.sub(r"--wait \d+", "--wait 1", filled)
    done = run(stack, filled)
    assert done.returncode in (0, 1), (filled, done.stdout, done.stderr)
    assert "Error: " not in done.stderr, (filled, done.stderr)


def test_what_env_prints_makes_a_shell_that_finds_coupon_and_its_stack(
    stack: DisposableStack,
) -> None:
    first = f"{sys.executable} -m cli env --role ops --state {stack.folder.path}"
    line = f'eval "$({first})" && coupon connector status && curl -sf $COUPON_API_URL/healthz'
    bare = {"PATH": "/usr/bin:/bin", "HOME": os.environ.get("HOME", "/")}
    done = subprocess.run(
        [SHELL, "-c", line], cwd=ROOT, env=bare, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
