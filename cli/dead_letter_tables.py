"""Dead letters as a person reads them, and as one JSON document."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.console import Console

from operations.dead_letters.actions import Result
from operations.dead_letters.audit import Action
from operations.dead_letters.status import DeadLetterStatus

_SHOWN_BYTES = 200


def show_list(console: Console, statuses: Sequence[DeadLetterStatus]) -> None:
    """Two lines for each dead letter: what it is, and why it failed."""
    for status in statuses:
        letter, metadata = status.letter, status.letter.metadata
        came_back = f" (came back as {status.came_back_as})" if status.came_back_as else ""
        console.print(
            f"{letter.position}  {status.state}{came_back}, {_request(status)},"
            f" dead-lettered {_moment(letter.dead_lettered_ms):%Y-%m-%d %H:%M:%S} UTC,"
            f" replays {metadata.replays}",
            markup=False,
            soft_wrap=True,
        )
        first_line = metadata.error_message.partition("\n")[0]
        console.print(f"      {metadata.error_class}: {first_line}", markup=False, soft_wrap=True)


def show_one(console: Console, status: DeadLetterStatus, actions: Sequence[Action]) -> None:
    """Everything that is known of a dead letter."""
    letter, metadata, request = status.letter, status.letter.metadata, status.request
    headers = {name: _text(value) for name, value in letter.headers}
    lines = {
        "letter": letter.position,
        "state": status.state,
        "dead-lettered": _moment(letter.dead_lettered_ms).isoformat(),
        "error": f"{metadata.error_class}: {metadata.error_message}",
        "record": f"{metadata.topic} [{metadata.partition}] at {metadata.offset}",
        "written": _moment(metadata.timestamp_ms).isoformat(),
        "attempts": metadata.attempts,
        "replays": metadata.replays,
        "replayed from": metadata.replayed_from or "-",
        "came back as": status.came_back_as or "-",
        "consumer": metadata.consumer_version,
        "request": _request(status),
        "status": request.status if request else "no row in the ledger",
        "headers": headers or "-",
        "key": _shown(letter.key),
        "value": _shown(letter.value),
    }
    for name, value in lines.items():
        console.print(f"{name + ':':<17}{value}", markup=False, soft_wrap=True)
    for each in actions:
        console.print(
            f"{each.acted_at:%Y-%m-%d %H:%M:%S} UTC  {each.action} by {each.acted_by}:"
            f" {each.result} {each.detail}",
            markup=False,
            soft_wrap=True,
        )


def status_as_json(
    status: DeadLetterStatus, actions: Iterable[Action] | None = None
) -> dict[str, Any]:
    """One dead letter. Bytes are in hexadecimal."""
    letter = status.letter
    found: dict[str, Any] = {
        "letter": letter.position,
        "state": status.state,
        "dead_lettered_at": _moment(letter.dead_lettered_ms).isoformat(),
        **letter.metadata._asdict(),
        "coupon_id": status.key and status.key[0],
        "user_id": status.key and status.key[1],
        "request_id": status.request and status.request.id,
        "status": status.request and status.request.status,
        "came_back_as": status.came_back_as,
        "last_action": status.last_action and _action_as_json(status.last_action),
    }
    if actions is not None:
        found["headers"] = {name: _text(value) for name, value in letter.headers}
        found["key"] = letter.key and letter.key.hex()
        found["value"] = letter.value and letter.value.hex()
        found["actions"] = [_action_as_json(each) for each in actions]
    return found


def result_as_json(result: Result) -> dict[str, Any]:
    """The result for one dead letter."""
    key = result.status.key or (None, None)
    return {
        "letter": result.status.letter.position,
        "outcome": result.outcome,
        "detail": result.detail,
        "coupon_id": key[0],
        "user_id": key[1],
    }


def _action_as_json(action: Action) -> dict[str, Any]:
    return {**action._asdict(), "acted_at": action.acted_at.isoformat()}


def _request(status: DeadLetterStatus) -> str:
    return "user {1} for coupon {0}".format(*status.key) if status.key else "not readable"


def _moment(moment_ms: int) -> datetime:
    return datetime.fromtimestamp(moment_ms / 1_000, UTC)


def _text(value: str | bytes | None) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _shown(value: bytes | None) -> str:
    if value is None:
        return "-"
    more = f" ... ({len(value)} bytes)" if len(value) > _SHOWN_BYTES else ""
    return value[:_SHOWN_BYTES].hex() + more
