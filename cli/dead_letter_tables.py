"""Dead letters as a person reads them, and as one JSON document."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.console import Console

from operations.dead_letters.actions import Result
from operations.dead_letters.audit import Action
from operations.dead_letters.status import DeadLetterStatus

_SHOWN_BYTES = 200


def show_list(console: Console, standings: Sequence[DeadLetterStatus]) -> None:
    """Two lines a letter: what it is, and why it was set aside."""
    for standing in standings:
        letter, facts = standing.letter, standing.letter.facts
        came_back = f" (came back as {standing.came_back_as})" if standing.came_back_as else ""
        console.print(
            f"{letter.place}  {standing.state}{came_back}, {_request(standing)}, set aside"
            f" {_moment(letter.dead_lettered_ms):%Y-%m-%d %H:%M:%S} UTC, replays {facts.replays}",
            markup=False,
            soft_wrap=True,
        )
        first_line = facts.error_message.partition("\n")[0]
        console.print(f"      {facts.error_class}: {first_line}", markup=False, soft_wrap=True)


def show_one(console: Console, standing: DeadLetterStatus, actions: Sequence[Action]) -> None:
    """Everything that is known of a letter."""
    letter, facts, request = standing.letter, standing.letter.facts, standing.request
    headers = {name: _text(value) for name, value in letter.headers}
    lines = {
        "letter": letter.place,
        "state": standing.state,
        "set aside": _moment(letter.dead_lettered_ms).isoformat(),
        "error": f"{facts.error_class}: {facts.error_message}",
        "record": f"{facts.topic} [{facts.partition}] at {facts.offset}",
        "written": _moment(facts.timestamp_ms).isoformat(),
        "attempts": facts.attempts,
        "replays": facts.replays,
        "replayed from": facts.replayed_from or "-",
        "came back as": standing.came_back_as or "-",
        "consumer": facts.consumer_version,
        "request": _request(standing),
        "status": request.status if request else "no row in the ledger",
        "headers": headers or "-",
        "key": _shown(letter.key),
        "value": _shown(letter.value),
    }
    for name, value in lines.items():
        console.print(f"{name + ':':<15}{value}", markup=False, soft_wrap=True)
    for each in actions:
        console.print(
            f"{each.acted_at:%Y-%m-%d %H:%M:%S} UTC  {each.action} by {each.acted_by}:"
            f" {each.result} {each.detail}",
            markup=False,
            soft_wrap=True,
        )


def standing_as_json(
    standing: DeadLetterStatus, actions: Iterable[Action] | None = None
) -> dict[str, Any]:
    """One letter. Bytes are in hexadecimal."""
    letter = standing.letter
    found: dict[str, Any] = {
        "letter": letter.place,
        "state": standing.state,
        "dead_lettered_at": _moment(letter.dead_lettered_ms).isoformat(),
        **letter.facts._asdict(),
        "coupon_id": standing.key and standing.key[0],
        "user_id": standing.key and standing.key[1],
        "request_id": standing.request and standing.request.id,
        "status": standing.request and standing.request.status,
        "came_back_as": standing.came_back_as,
        "last_action": standing.last and _action_as_json(standing.last),
    }
    if actions is not None:
        found["headers"] = {name: _text(value) for name, value in letter.headers}
        found["key"] = letter.key and letter.key.hex()
        found["value"] = letter.value and letter.value.hex()
        found["actions"] = [_action_as_json(each) for each in actions]
    return found


def result_as_json(result: Result) -> dict[str, Any]:
    """What became of one letter."""
    key = result.standing.key or (None, None)
    return {
        "letter": result.standing.letter.place,
        "outcome": result.outcome,
        "detail": result.detail,
        "coupon_id": key[0],
        "user_id": key[1],
    }


def _action_as_json(action: Action) -> dict[str, Any]:
    return {**action._asdict(), "acted_at": action.acted_at.isoformat()}


def _request(standing: DeadLetterStatus) -> str:
    return "user {1} for coupon {0}".format(*standing.key) if standing.key else "not readable"


def _moment(moment_ms: int) -> datetime:
    return datetime.fromtimestamp(moment_ms / 1_000, UTC)


def _text(value: str | bytes | None) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _shown(value: bytes | None) -> str:
    if value is None:
        return "-"
    more = f" ... ({len(value)} bytes)" if len(value) > _SHOWN_BYTES else ""
    return value[:_SHOWN_BYTES].hex() + more
