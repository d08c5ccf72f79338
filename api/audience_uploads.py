"""Takes a file of users, part by part. Each is committed: an upload goes on where it ended."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import NamedTuple
from uuid import UUID

from api.audience_lines import read_lines
from coupons.ledger.audience_uploads import (
    AudienceUpload,
    find_audience_upload,
    set_audience,
    take_part,
)
from coupons.ledger.audiences import AudienceOutcome
from coupons.ledger.connection import Connection

PART_BYTES = 262_144
"""So much of a file is lost at most when an upload is cut off, and has to be sent again."""
MOST_NAMED_LINES = 20
LARGEST_AUDIENCE = 5_000_000
"""Users of a list; repeated ones count while they are uploaded."""


class Source(NamedTuple):
    """What the client says of its file; see `read_lines`."""

    is_csv: bool = False
    has_header: bool | None = None


class UploadMoved(Exception):
    """Somebody else has gone on with the upload."""


class AudienceTooLarge(Exception):
    """The file has more than LARGEST_AUDIENCE users. Those before are taken."""


def take_file(
    connection: Connection,
    coupon_id: int,
    upload_id: UUID,
    upload: AudienceUpload,
    pieces: Iterable[bytes],
    source: Source,
) -> AudienceUpload:
    """Take what comes of a file; the upload as it is then. upload: as it was found.

    Raises UploadMoved, AudienceTooLarge, whatever `pieces` raises, LedgerUnavailable and
    OutcomeUnknown; what was taken before that stays.
    """
    for part in _parts(pieces):
        upload = _take(connection, coupon_id, upload_id, upload, part, len(part), source)
    return upload


def finish_upload(
    connection: Connection, coupon_id: int, upload_id: UUID, acted_by: str
) -> AudienceOutcome:
    """Make the upload the coupon's audience; its last line may have no end.

    Returns what `set_audience` does. Raises UploadMoved, AudienceTooLarge, LedgerUnavailable and
    OutcomeUnknown; repeating it is harmless.
    """
    upload = find_audience_upload(connection, coupon_id, upload_id)
    if upload is not None and upload.unfinished:
        source = Source(is_csv=True)
        upload = _take(connection, coupon_id, upload_id, upload, b"\n", 0, source)
    listed = 0 if upload is None else upload.listed
    return set_audience(connection, coupon_id, upload_id, listed, acted_by)


def _take(
    connection: Connection,
    coupon_id: int,
    upload_id: UUID,
    seen: AudienceUpload,
    more: bytes,
    taken_bytes: int,
    source: Source,
) -> AudienceUpload:
    read = read_lines(seen.unfinished + more, seen.lines, *source)
    if seen.listed + len(read.user_ids) > LARGEST_AUDIENCE:
        raise AudienceTooLarge
    refused = dict(seen.refused)
    for _, reason in read.refused:
        refused[str(reason)] = refused.get(reason, 0) + 1
    named = [(number, str(reason)) for number, reason in read.refused]
    room = MOST_NAMED_LINES - len(seen.first_refused)
    now = replace(
        seen,
        taken_bytes=seen.taken_bytes + taken_bytes,
        unfinished=read.unfinished if source.is_csv else _never_quoted(read.unfinished),
        lines=seen.lines + read.lines,
        listed=seen.listed + len(read.user_ids),
        refused=refused,
        first_refused=[*seen.first_refused, *named[:room]],
    )
    if not take_part(connection, coupon_id, upload_id, seen, now, read.user_ids):
        raise UploadMoved
    return now


def _never_quoted(unfinished: bytes) -> bytes:
    """The same of a text: its quotes are no quotes, also once the rest is read as CSV.

    `finish_upload` does not know which of the two the file was. No id has either character.
    """
    return unfinished.replace(b'"', b"'")


def _parts(pieces: Iterable[bytes]) -> Iterator[bytes]:
    part = bytearray()
    for piece in pieces:
        part += piece
        if len(part) >= PART_BYTES:
            yield bytes(part)
            part.clear()
    if part:
        yield bytes(part)
