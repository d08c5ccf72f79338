"""What a dead letter says, as headers: the convention of docs/reference/dead-letters.md."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from coupons.errors import UndecodableEvent

PREFIX = "dead-letter."
LONGEST_ERROR_CHARACTERS = 1_000

Header = tuple[str, str | bytes | None]


class Facts(NamedTuple):
    """Of a record that was set aside: where it stood, why it did not go through, and how often.

    timestamp_ms: of the record, since 1970. attempts: batches that it was tried in. replays: how
    often it was written back. replayed_from: PARTITION:OFFSET of the dead letter that it was last
    written back from. coupon_id and user_id: None when the record could not be decoded.
    """

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    error_class: str
    error_message: str
    attempts: int
    consumer_version: str
    replays: int = 0
    replayed_from: str | None = None
    coupon_id: int | None = None
    user_id: int | None = None


def letter_headers(facts: Facts, headers: Sequence[Header] | None) -> list[Header]:
    """The record's own headers, then one for each fact that is known."""
    return [*own_headers(headers), *_as_headers(facts._asdict().items())]


def replay_headers(
    replays: int, replayed_from: str, headers: Sequence[Header] | None
) -> list[Header]:
    """Of a record that is written back: its own, how often, and from which dead letter."""
    added = {"replays": replays, "replayed_from": replayed_from}
    return [*own_headers(headers), *_as_headers(added.items())]


def read_facts(headers: Sequence[Header] | None) -> Facts:
    """What a dead letter says. Raises UndecodableEvent when it does not follow the convention."""
    said = _said(headers)
    try:
        return Facts(
            said["topic"],
            int(said["partition"]),
            int(said["offset"]),
            int(said["timestamp"]),
            said["error-class"],
            said["error-message"],
            int(said.get("attempts", "1")),
            said["consumer-version"],
            int(said.get("replays", "0")),
            said.get("replayed-from"),
            _number(said.get("coupon-id")),
            _number(said.get("user-id")),
        )
    except (KeyError, ValueError) as error:
        raise UndecodableEvent(f"the headers are not those of a dead letter: {error!r}") from error


def replays_of(headers: Sequence[Header] | None) -> tuple[int, str | None]:
    """How often a record was written back, and from which dead letter; 0 and None: never."""
    if not headers:
        return 0, None
    said = _said(headers)
    replays = said.get("replays", "0")
    return (int(replays) if replays.isdecimal() else 0), said.get("replayed-from")


def own_headers(headers: Sequence[Header] | None) -> list[Header]:
    """Without those of the convention."""
    return [(name, value) for name, value in headers or [] if not name.startswith(PREFIX)]


def _said(headers: Sequence[Header] | None) -> dict[str, str]:
    return {
        name.removeprefix(PREFIX): value.decode(errors="replace")
        if isinstance(value, bytes)
        else value or ""
        for name, value in headers or []
        if name.startswith(PREFIX)
    }


def _as_headers(facts: Iterable[tuple[str, object]]) -> list[Header]:
    names = {"timestamp_ms": "timestamp"}
    return [
        (PREFIX + names.get(name, name).replace("_", "-"), _text(value).encode())
        for name, value in facts
        if value is not None
    ]


def _text(value: object) -> str:
    return str(value)[:LONGEST_ERROR_CHARACTERS]


def _number(text: str | None) -> int | None:
    return None if text is None else int(text)
