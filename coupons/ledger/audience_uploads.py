"""Uploads of audiences in the ledger: begin one, take a part of its file, make it the audience."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count, islice
from typing import Any
from uuid import UUID

import psycopg.errors
from psycopg.types.json import Jsonb

from coupons.ledger.audiences import AudienceOutcome
from coupons.ledger.connection import Connection, int_array, translated
from coupons.queries import query

USERS_A_CHUNK = 960
"""So that 7 bytes a user, which is what random ids need, just fit a block of Redis' allocator."""
MOST_A_CHUNK = 16 * USERS_A_CHUNK
"""A claim searches one chunk from its beginning."""
_BEGINNINGS_TRIED = 20
_DIVISIONS_TRIED = 4
"""Ids may share a factor with one prime; so many that share all of these are no million."""


@dataclass
class AudienceUpload:
    """How far an upload has come. Lines are counted from 1.

    taken_bytes: of its file, where it goes on. unfinished: what is there of the next line. listed:
    users so far, repeated ones too. refused: how many lines, by reason. first_refused: number and
    reason of the first of them.
    """

    taken_bytes: int = 0
    unfinished: bytes = b""
    lines: int = 0
    listed: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    first_refused: list[tuple[int, str]] = field(default_factory=list)


def begin_audience_upload(
    connection: Connection, coupon_id: int
) -> tuple[AudienceOutcome, UUID | None]:
    """Begin an upload: BEGUN and the upload; else NOT_FOUND, CLOSED or ARCHIVED.

    The coupon's upload before it is gone. Raises LedgerUnavailable or OutcomeUnknown; repeating it
    is harmless.
    """
    values = {"coupon_id": coupon_id}
    for is_last in [False] * _BEGINNINGS_TRIED + [True]:
        try:
            with translated(connection):
                row = connection.execute(query("begin_audience_upload"), values).fetchone()
            break
        except psycopg.errors.ForeignKeyViolation:  # it was discarded meanwhile
            return AudienceOutcome.NOT_FOUND, None
        except psycopg.errors.UniqueViolation:
            # Somebody else took over at the same time: that one is taken over now.
            if is_last:
                raise
    assert row is not None
    return AudienceOutcome(row[0]), row[1]


def find_audience_upload(
    connection: Connection, coupon_id: int, upload_id: UUID
) -> AudienceUpload | None:
    """The upload; None: there is none, or it was made the audience."""
    values = {"coupon_id": coupon_id, "upload_id": upload_id}
    with translated(connection):
        row = connection.execute(query("find_audience_upload"), values).fetchone()
    if row is None:
        return None
    taken_bytes, unfinished, lines, listed, refused, first = row
    first_refused = [(number, reason) for number, reason in first]
    return AudienceUpload(taken_bytes, unfinished, lines, listed, refused, first_refused)


def take_part(
    connection: Connection,
    coupon_id: int,
    upload_id: UUID,
    seen: AudienceUpload,
    now: AudienceUpload,
    user_ids: Sequence[int],
) -> bool:
    """Take the users of some lines, and commit; False: the upload is not as it was seen.

    Raises LedgerUnavailable or OutcomeUnknown.
    """
    values: dict[str, Any] = {
        "coupon_id": coupon_id,
        "upload_id": upload_id,
        "seen_bytes": seen.taken_bytes,
        "seen_lines": seen.lines,
        "seen_unfinished": seen.unfinished,
        "taken_bytes": now.taken_bytes,
        "lines": now.lines,
        "unfinished": now.unfinished,
        "user_ids": int_array(user_ids),
        "refused": Jsonb(now.refused),
        "first_refused": Jsonb(now.first_refused),
    }
    with translated(connection):
        row = connection.execute(query("take_audience_part"), values).fetchone()
    return row is not None and bool(row[0])


def set_audience(
    connection: Connection, coupon_id: int, upload_id: UUID, listed: int, acted_by: str
) -> AudienceOutcome:
    """Make the upload the coupon's audience; each user is there once.

    listed: users of the upload, repeated ones too. Returns DONE, REPEATED, NOT_FOUND, CLOSED,
    ARCHIVED, EMPTY or UNEVEN. Raises LedgerUnavailable or OutcomeUnknown; repeating it is harmless.
    """
    values = {
        "coupon_id": coupon_id,
        "upload_id": upload_id,
        "chunk_counts": int_array(_divisions(listed)),
        "most_a_chunk": MOST_A_CHUNK,
        "acted_by": acted_by,
    }
    try:
        with translated(connection):
            row = connection.execute(query("set_audience"), values).fetchone()
    except psycopg.errors.CheckViolation as error:
        name = error.diag.constraint_name or ""
        return AudienceOutcome(name.removeprefix("coupon_audience_of_"))
    assert row is not None
    return AudienceOutcome(row[0])


def forget_audience_uploads(connection: Connection) -> int:
    """Remove uploads that nobody went on with for a day; how many there were."""
    with translated(connection):
        row = connection.execute(query("forget_audience_uploads")).fetchone()
    return 0 if row is None else int(row[0])


def _divisions(listed: int) -> list[int]:
    """Numbers of chunks: 1 for a few users, else primes, because ids often share small factors."""
    if listed <= USERS_A_CHUNK:
        return [1]
    return list(islice(_primes_from(listed // USERS_A_CHUNK + 1), _DIVISIONS_TRIED))


def _primes_from(least: int) -> Iterator[int]:
    for number in count(max(2, least)):
        if all(number % factor for factor in range(2, int(number**0.5) + 1)):
            yield number
