"""Audiences of coupons in the ledger: everybody, or a list of users in the form of the gate."""

from collections.abc import Collection, Generator
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from coupons.ledger.connection import Connection, int_array, translated
from coupons.queries import query

EVERYBODY = ""
"""The audience of a coupon that has no list."""

_HALF = 10**9
"""A record holds the quotient by this, and the rest."""

_CHUNKS_PER_FETCH = 100
"""About a megabyte."""


class AudienceOutcome(StrEnum):
    """What came of beginning an upload, making it the audience, or removing the audience."""

    DONE = "done"
    BEGUN = "begun"
    REPEATED = "repeated"
    """It is so already."""
    NOT_FOUND = "not_found"
    """There is no such coupon, or no such upload of it."""
    CLOSED = "closed"
    ARCHIVED = "archived"
    EMPTY = "empty"
    """No user is in the upload."""
    UNEVEN = "uneven"
    """The users cannot be divided into chunks of about the same size."""


class AudienceForm(NamedTuple):
    """How a list is held. version: never given out twice. low, high: bytes of a user's record."""

    version: int
    chunks: int
    low: int
    high: int


class Audience(NamedTuple):
    """form: EVERYBODY, or the list's. size, listed_by, listed_at: of a list, else None."""

    form: str
    size: int | None
    listed_by: str | None
    listed_at: datetime | None

    @property
    def version(self) -> int | None:
        """Of the list; None: everybody."""
        return parse_form(self.form).version if self.form else None


def parse_form(text: str) -> AudienceForm:
    """The form of a list, as column `audience` and the gate have it."""
    return AudienceForm(*map(int, text.split(" ")))


def find_audience(connection: Connection, coupon_id: int) -> Audience | None:
    """Who may claim the coupon; None: there is no such coupon."""
    with translated(connection):
        row = connection.execute(query("find_audience"), {"coupon_id": coupon_id}).fetchone()
    return None if row is None else Audience(row[0] or EVERYBODY, *row[1:])


def list_audiences(
    connection: Connection, coupon_ids: Collection[int] | None = None
) -> dict[int, str]:
    """The forms of the lists, by coupon; of these coupons, or of all."""
    values = {"coupon_ids": None if coupon_ids is None else int_array(coupon_ids)}
    with translated(connection):
        return dict(connection.execute(query("list_audiences"), values).fetchall())


def is_listed(connection: Connection, coupon_id: int, user_id: int) -> bool:
    """Whether the coupon is for everybody, or the user is on its list, as admit.lua finds it."""
    form = list_audiences(connection, [coupon_id]).get(coupon_id, EVERYBODY)
    if form == EVERYBODY:
        return True
    _, chunks, low, high = parse_form(form)
    quotient, chunk = divmod(user_id, chunks)
    higher, lower = divmod(quotient, _HALF)
    if lower >= 256**low or higher >= 256**high:
        return False
    values = {"coupon_id": coupon_id, "audience": form, "chunk": chunk}
    with translated(connection):
        row = connection.execute(query("find_chunk"), values).fetchone()
    users, record = b"" if row is None else row[0], lower.to_bytes(low) + higher.to_bytes(high)
    width = len(record)
    return record in {users[at : at + width] for at in range(0, len(users), width)}


def stream_audience(
    connection: Connection, coupon_id: int, form: str
) -> Generator[tuple[int, bytes], None, None]:
    """Number and users of each chunk of this list; nothing when it is not in force any more."""
    with (
        translated(connection),
        connection.transaction(),
        connection.cursor(name="stream_audience") as cursor,
    ):
        cursor.itersize = _CHUNKS_PER_FETCH
        cursor.execute(query("stream_audience"), {"coupon_id": coupon_id, "audience": form})
        yield from cursor


def remove_audience(connection: Connection, coupon_id: int, acted_by: str) -> AudienceOutcome:
    """Everybody may claim the coupon: DONE, REPEATED or NOT_FOUND."""
    values = {"coupon_id": coupon_id, "acted_by": acted_by}
    with translated(connection):
        row = connection.execute(query("remove_audience"), values).fetchone()
    assert row is not None
    return AudienceOutcome(row[0])
