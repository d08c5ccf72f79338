"""The state of the connector and its task as Kafka Connect reports it, and why it failed."""

from typing import Any, NamedTuple

from connectors.connect import Connect
from coupons.errors import ConnectorError


class TaskState(NamedTuple):
    """state: RUNNING, FAILED, UNASSIGNED, ... reason: why it failed, None unless it did."""

    task: int
    state: str
    reason: str | None


class ConnectorState(NamedTuple):
    """Of the connector and its tasks, as Connect last reported it."""

    name: str
    state: str
    reason: str | None
    tasks: list[TaskState]

    @property
    def is_running(self) -> bool:
        """Whether it streams events: a connector without tasks does nothing."""
        states = [self.state, *(task.state for task in self.tasks)]
        return bool(self.tasks) and all(state == "RUNNING" for state in states)

    @property
    def is_held(self) -> bool:
        """Whether somebody paused or stopped it."""
        return self.state in ("PAUSED", "STOPPED")

    @property
    def summary(self) -> str:
        """In a few words: RUNNING, PAUSED, why it failed, or that its task does not run."""
        if self.failure is not None:
            return f"FAILED: {self.failure}"
        if self.is_running or self.state != "RUNNING":
            return self.state
        task = self.tasks[0].state if self.tasks else "missing"
        return f"RUNNING, its task is {task}"

    @property
    def failure(self) -> str | None:
        """Why it or one of its tasks failed; None: nothing failed."""
        reasons = [self.reason, *(task.reason for task in self.tasks)]
        return next((reason for reason in reasons if reason is not None), None)


def read_state(connect: Connect, name: str) -> ConnectorState | None:
    """The state of a connector, or None when there is none of that name. Raises ConnectorError."""
    answer = connect.call("GET", f"/connectors/{name}/status")
    if answer is None:
        return None
    tasks = [TaskState(task["id"], task["state"], _reason(task)) for task in answer["tasks"]]
    connector = answer["connector"]
    return ConnectorState(name, connector["state"], _reason(connector), tasks)


def existing_state(connect: Connect, name: str) -> ConnectorState:
    """The state of a connector. Raises ConnectorError where there is none."""
    state = read_state(connect, name)
    if state is None:
        raise ConnectorError(
            f"there is no connector {name} at {connect.url}: `coupon connector register` creates it"
        )
    return state


def _reason(part: dict[str, Any]) -> str | None:
    return root_cause(part.get("trace", "")) if part["state"] == "FAILED" else None


def root_cause(trace: str) -> str:
    """The line of a Java stack trace that says what went wrong: its innermost cause."""
    lines = [line.strip() for line in trace.splitlines() if line.strip()]
    causes = [line.removeprefix("Caused by: ") for line in lines if line.startswith("Caused by: ")]
    if causes:
        return causes[-1]
    return lines[0] if lines else "no reason is given"
