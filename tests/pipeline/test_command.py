"""What a person types against a running stack."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import psycopg
import pytest

from connectors.connect import Connect
from connectors.connector_state import existing_state
from connectors.lifecycle import CONNECTOR_NAME, resume_connector
from coupons.ids import request_id_text
from coupons.waiting import eventually
from stack.disposable import DisposableStack
from tests.pipeline.people import People


def _coupon(stack: DisposableStack, *arguments: str) -> Any:
    args = [sys.executable, "-m", "cli", *arguments, "--state", str(stack.folder.path), "--json"]
    done = subprocess.run(args, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_rush_issues_every_place_and_its_books_add_up(stack: DisposableStack) -> None:
    result = _coupon(stack, "rush", "--places", "20", "--users", "60", "--twice", "10")
    assert result["complaints"] == []
    assert result["answers"]["admitted"] == 20
    assert result["answers"]["refused: closed"] == 1
    assert sum(result["answers"].values()) == 60 + 10 + 1
    assert result["outcomes"] == {"ISSUED": 20}
    assert result["ledger"]["issued"] == result["gate"]["issued"] == 20
    verified = _coupon(stack, "verify", "--coupon", str(result["coupon_id"]))
    [books] = verified["coupons"]
    assert books["ledger"] == result["ledger"]


def test_status_tells_that_everything_is_up_and_events_flow(stack: DisposableStack) -> None:
    result = eventually(lambda: _fresh(_coupon(stack, "status")), 60)
    assert {part["state"] for part in result["parts"]} == {"up"}
    assert result["connector"] == "RUNNING"
    assert result["memory"] < 2 * 2**30


def _fresh(status: Any) -> Any:
    assert status["heartbeat_age_seconds"] < 10, status
    return status


@contextmanager
def _refused(stack: DisposableStack, coupon_id: int, user_id: int) -> Iterator[None]:
    """Postgres refuses the coupon of this user, until the block ends."""
    with psycopg.connect(stack.database_url("owner"), autocommit=True) as owner:
        owner.execute(
            "ALTER TABLE issued_coupon ADD CONSTRAINT of_this_test"
            f" CHECK (coupon_id <> {coupon_id} OR user_id <> {user_id})"
        )
        try:
            yield
        finally:
            owner.execute("ALTER TABLE issued_coupon DROP CONSTRAINT of_this_test")


@contextmanager
def _paused(stack: DisposableStack) -> Iterator[None]:
    """The connector is paused, and so is its task, which goes on for a moment; until the end."""
    connect = Connect(stack.environment["COUPON_CONNECT_URL"])
    connect.call("PUT", f"/connectors/{CONNECTOR_NAME}/pause")

    def is_paused() -> bool:
        state = existing_state(connect, CONNECTOR_NAME)
        assert {state.state, *(task.state for task in state.tasks)} == {"PAUSED"}, state
        return True

    try:
        eventually(is_paused, 60, "it is paused")
        yield
    finally:
        resume_connector(connect, CONNECTOR_NAME)


class _Tracer:
    """Types `coupon trace` for the users of one coupon."""

    def __init__(self, stack: DisposableStack, coupon_id: int) -> None:
        self._stack = stack
        self._coupon_id = coupon_id

    def trace(self, user_id: int) -> tuple[int, dict[str, Any]]:
        """The exit code, and each step by its stage."""
        wanted = ["--user", str(user_id), "--coupon", str(self._coupon_id), "--json"]
        args = [sys.executable, "-m", "cli", "trace", *wanted]
        args += ["--state", str(self._stack.folder.path)]
        done = subprocess.run(args, capture_output=True, text=True, timeout=120)
        assert done.stdout, done.stderr
        return done.returncode, {step["stage"]: step for step in json.loads(done.stdout)["steps"]}

    def until(
        self, user_id: int, reached: Callable[[dict[str, Any]], bool]
    ) -> tuple[int, dict[str, Any]]:
        """The same, as soon as its steps are so."""

        def traced() -> tuple[int, dict[str, Any]] | None:
            code, steps = self.trace(user_id)
            return (code, steps) if reached(steps) else None

        found = eventually(traced, 90, "the request is where it is waited for")
        assert found is not None
        return found


def _is_reached(stage: str) -> Callable[[dict[str, Any]], bool]:
    return lambda steps: steps.get(stage, {}).get("state") == "reached"


def _log(stack: DisposableStack, part: str) -> str:
    return "\n".join(_coupon(stack, "logs", part, "-n", "100000")["lines"])


def _has_logged(stack: DisposableStack, part: str, request: str, says: str) -> bool:
    """Whether a line of the part's log says this of the request."""
    return any(request in each and says in each for each in _log(stack, part).splitlines())


@pytest.fixture
def requests_are_logged(stack: DisposableStack) -> Iterator[None]:
    parts = ("api", "consumer-1")
    stack.stop(*parts)
    stack.up({"COUPON_LOG_REQUESTS": "true"})
    yield
    stack.stop(*parts)
    stack.up()


@pytest.mark.usefixtures("requests_are_logged")
def test_a_request_is_followed_through_all_stages(stack: DisposableStack) -> None:
    """Issued, dead-lettered, rejected, not captured; by the command and by one search of logs."""
    people = People(stack)
    coupon_id = people.create_coupon(total_quantity=3)
    tracer = _Tracer(stack, coupon_id)
    people.claim(coupon_id, 1)
    code, steps = tracer.until(1, _is_reached("marked"))
    assert (code, list(steps)) == (0, ["admitted", "accepted", "in Kafka", "issued", "marked"])
    assert steps["admitted"]["at"] < steps["in Kafka"]["at"] < steps["issued"]["at"]
    assert "coupon_issue_request, partition" in steps["in Kafka"]["says"]
    request = request_id_text(coupon_id, 1)
    # A line is written after what it tells of.
    for part, says in (("api", "accepted"), ("consumer-1", "ISSUED and marked")):
        eventually(partial(_has_logged, stack, part, request, says), 30, f"{part} logs: {says}")

    with _refused(stack, coupon_id, 2):
        people.claim(coupon_id, 2)
        code, steps = tracer.until(2, _is_reached("dead letter"))
        assert code == 0
        assert "open: CheckViolation" in steps["dead letter"]["says"]
        assert steps["final"]["says"].startswith("waits as dead letter")
    args = [sys.executable, "-m", "cli", "dead-letters", "replay", "--coupon", str(coupon_id)]
    subprocess.run([*args, "--state", str(stack.folder.path)], check=True, capture_output=True)
    code, steps = tracer.until(2, _is_reached("issued"))
    assert "resolved" in steps["dead letter"]["says"]
    assert "replay written by" in steps["dead letter"]["says"]

    with _paused(stack):
        people.claim(coupon_id, 3)
        code, steps = tracer.trace(3)
        assert (code, steps["accepted"]["state"]) == (0, "reached")
        assert steps["in Kafka"]["state"] == "waiting"
        assert "PAUSED" in steps["in Kafka"]["says"]
        with psycopg.connect(stack.database_url("owner"), autocommit=True) as owner:
            owner.execute("UPDATE coupon SET total_quantity = 2 WHERE coupon_id = %s", [coupon_id])
    code, steps = tracer.until(3, _is_reached("rejected"))
    assert steps["rejected"]["says"] == "reason: sold_out"

    stack.kill("valkey")
    try:
        code, steps = tracer.trace(1)
    finally:
        stack.up()
    assert (code, steps["marked"]["state"]) == (3, "unknown")
    assert [steps[each]["state"] for each in ("admitted", "in Kafka", "issued")] == ["reached"] * 3
