"""The metadata of a dead letter, as headers: the convention of docs/reference/dead-letters.md."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from coupons.errors import UndecodableEvent

PREFIX = "dead-letter."
LONGEST_ERROR_CHARACTERS = 1_000

Header = tuple[str, str | bytes | None]


class DeadLetterMetadata(NamedTuple):
    """Which record it was, why it failed, and how often it was tried.

    topic, partition, offset, timestamp_ms: the record's own; milliseconds since 1970. attempts: in
    how many batches it was tried. replays: how often it was written back. replayed_from:
    PARTITION:OFFSET of the dead letter that it was last written back from. coupon_id and user_id:
    None when the record could not be decoded.
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


def dead_letter_headers(
    metadata: DeadLetterMetadata, headers: Sequence[Header] | None
) -> list[Header]:
    """The record's own headers, then one for each metadata field that is known."""
    return [*own_headers(headers), *_as_headers(metadata._asdict().items())]


def replay_headers(
    replays: int, replayed_from: str, headers: Sequence[Header] | None
) -> list[Header]:
    """For a record that is written back: its own headers, how often, from which dead letter."""
    added = {"replays": replays, "replayed_from": replayed_from}
    return [*own_headers(headers), *_as_headers(added.items())]


def read_metadata(headers: Sequence[Header] | None) -> DeadLetterMetadata:
    """The metadata in these headers. Raises UndecodableEvent: not by the convention."""
    given = _by_convention(headers)
    try:
        return DeadLetterMetadata(
            given["topic"],
            int(given["partition"]),
            int(given["offset"]),
            int(given["timestamp"]),
            given["error-class"],
            given["error-message"],
            int(given.get("attempts", "1")),
            given["consumer-version"],
            int(given.get("replays", "0")),
            given.get("replayed-from"),
            _number(given.get("coupon-id")),
            _number(given.get("user-id")),
        )
    except (KeyError, ValueError) as error:
        raise UndecodableEvent(f"the headers are not those of a dead letter: {error!r}") from error


def replays_of(headers: Sequence[Header] | None) -> tuple[int, str | None]:
    """How often a record was written back, and from which dead letter. (0, None): never."""
    if not headers:
        return 0, None
    given = _by_convention(headers)
    replays = given.get("replays", "0")
    return (int(replays) if replays.isdecimal() else 0), given.get("replayed-from")


def own_headers(headers: Sequence[Header] | None) -> list[Header]:
    """The record's own headers, without those of the convention."""
    return [(name, value) for name, value in headers or [] if not name.startswith(PREFIX)]


def _by_convention(headers: Sequence[Header] | None) -> dict[str, str]:
    return {
        name.removeprefix(PREFIX): value.decode(errors="replace")
        if isinstance(value, bytes)
        else value or ""
        for name, value in headers or []
        if name.startswith(PREFIX)
    }


def _as_headers(fields: Iterable[tuple[str, object]]) -> list[Header]:
    names = {"timestamp_ms": "timestamp"}
    return [
        (PREFIX + names.get(name, name).replace("_", "-"), _text(value).encode())
        for name, value in fields
        if value is not None
    ]


def _text(value: object) -> str:
    return str(value)[:LONGEST_ERROR_CHARACTERS]


def _number(text: str | None) -> int | None:
    return None if text is None else int(text)
