"""With --json, every command prints one document on a running stack, with the exit code for it."""

import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from cli.exit_codes import USAGE, WRONG
from coupons.endpoints import ENDPOINTS
from coupons.waiting import eventually
from stack.disposable import DisposableStack
from tests.pipeline.people import People
from tests.pipeline.pipeline import FINAL_WITHIN_SECONDS
from tests.support.json_answers import checked, is_error
from tests.support.typed import leaves
from tests.unit.test_commands import WITHOUT_JSON

ELSEWHERE = {
    "coupon after-restore": "tests/pipeline/test_restore.py: API and consumers have to be stopped",
    "coupon connector delete": "the shared stack needs its connector",
    "coupon connector restart": "tests/pipeline/test_connector_faults.py",
    "coupon dead-letters discard": "tests/pipeline/test_dead_letters.py",
    "coupon dead-letters show": "tests/pipeline/test_dead_letters.py: there has to be one",
    "coupon down": "the shared stack stays",
    "coupon events read": "below: they have to be on",
    "coupon migrate": "tests/ledger: it needs a superuser",
    "coupon receipt key": "tests/unit/test_receipt_command.py: it works on no stack",
    "coupon receipt verify": "tests/unit/test_receipt_command.py: it works on no stack",
    "coupon rehearse key": "tests/api/test_rehearsing.py: it works on no stack",
    "coupon rehearse purge": "tests/pipeline/test_rehearsal.py",
    "coupon rehearse run": "tests/pipeline/test_rehearsal.py",
    "coupon rush": "tests/pipeline/test_command.py",
    **{
        path: "tests/client/test_client_command.py: over an API of the test's own"
        for path, _ in leaves()
        if path.startswith("coupon client ")
    },
}
"""Commands that are not typed here, and why."""

ARGUMENTS = {
    "coupon connector recover": ["--dry-run"],
    "coupon dead-letters replay": ["--all", "--dry-run"],
    "coupon erase": ["--user", "4711", "--yes"],
    "coupon events stop": ["--yes"],
    "coupon gate rebuild": ["--all"],
    "coupon logs": ["api"],
    "coupon restart": ["monitor"],
    "coupon retire": ["--to", str(Path(__file__).parent), "--dry-run"],
    "coupon sql": ["SELECT 'NaN'::float8, now()"],
    "coupon stop": ["monitor"],
    "coupon token": ["--user", "4711"],
    "coupon verify": ["--wait", "60"],
}
TYPED = [path for path, _ in leaves() if path not in {*WITHOUT_JSON, *ELSEWHERE}]

NOBODY = 999_999_999
NOT_THERE = {
    "coupon dead-letters show 0:999999999": USAGE,
    f"coupon gate rebuild --coupon {NOBODY}": USAGE,
    f"coupon gate status --coupon {NOBODY}": USAGE,
    "coupon logs nothing": USAGE,
    f"coupon rehearse purge {NOBODY} --yes": USAGE,
    "coupon restart nothing": USAGE,
    "coupon sql SELECT(no_such_thing)": WRONG,
    "coupon stop nothing": USAGE,
    f"coupon reconcile --coupon {NOBODY}": USAGE,
    f"coupon verify --coupon {NOBODY}": USAGE,
}
"""What names something that does not exist, and the exit code."""


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*ENDPOINTS, "COUPON_STATE_DIR", "COUPON_PASSWORDS_DIR"):
        monkeypatch.delenv(name, raising=False)


class Shell:
    """Types commands on a stack, in a folder in which they may write."""

    def __init__(self, stack: DisposableStack, folder: Path) -> None:
        self._stack = stack
        self._folder = folder

    def typed(self, path: str, *arguments: str) -> tuple[int, Any]:
        """The exit code and the document."""
        words = [*path.split()[1:], *arguments, "--state", str(self._stack.folder.path), "--json"]
        command = [sys.executable, "-m", "cli", *words]
        done = subprocess.run(
            command, cwd=self._folder, capture_output=True, text=True, timeout=120
        )
        return done.returncode, checked(done.returncode, done.stdout, done.stderr)

    def done(self, path: str, *arguments: str) -> bool:
        """Type it. AssertionError: it did not end with 0 and a result."""
        code, document = self.typed(path, *arguments)
        assert code == 0, document
        assert not is_error(document)
        return True


@pytest.fixture
def shell(stack: DisposableStack, tmp_path: Path) -> Shell:
    return Shell(stack, tmp_path)


def test_every_command_ends_with_0_and_one_document(stack: DisposableStack, shell: Shell) -> None:
    people = People(stack)
    coupon_id = people.create_coupon(total_quantity=5)
    assert people.claim(coupon_id, 1).status_code == 202
    of_one = {"coupon trace": ["--user", "1", "--coupon", str(coupon_id)]}
    wrong = {}
    for path in TYPED:
        arguments = {**ARGUMENTS, **of_one}.get(path, [])
        try:
            # A part that was just started, or a request in flight, is no failure of the command.
            eventually(partial(shell.done, path, *arguments), FINAL_WITHIN_SECONDS, path)
        except (AssertionError, ValueError) as error:  # ValueError: it is no JSON
            wrong[path] = str(error)
        if path == "coupon stop":
            stack.up()
    assert wrong == {}


def test_events_that_are_on_are_read_as_one_document(stack: DisposableStack, shell: Shell) -> None:
    people = People(stack)
    coupon_id = people.create_coupon(total_quantity=5)
    assert shell.done("coupon events start")
    try:
        assert people.claim(coupon_id, 1).status_code == 202

        def issued() -> bool:
            code, document = shell.typed("coupon events read")
            assert code == 0, document
            coupons = [event["data"]["coupon_id"] for event in document["events"]]
            return str(coupon_id) in coupons

        eventually(issued, FINAL_WITHIN_SECONDS, "the coupon's event is there")
    finally:
        assert shell.done("coupon events stop", "--yes")


@pytest.mark.parametrize("line", NOT_THERE)
def test_what_names_nothing_is_an_error_with_its_exit_code(line: str, shell: Shell) -> None:
    code, document = shell.typed(line)
    assert code == NOT_THERE[line], document
    assert is_error(document)
