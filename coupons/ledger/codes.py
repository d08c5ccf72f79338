"""Codes of coupons in the ledger: choose their kind, fill and empty a pool, give one, find one."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

import psycopg.errors

from coupons.codes import CodeKind, key_of, make_code
from coupons.ledger.connection import Connection, translated
from coupons.model import IssuedState
from coupons.queries import query


class CodesOutcome(StrEnum):
    """What came of choosing a kind of codes, of an upload, a removal or of asking for a code."""

    DONE = "done"
    NOT_FOUND = "not_found"
    """There is no such coupon, or it is not issued to this user."""
    EXIST = "exist"
    """There are codes already, so that their kind stays."""
    BUSY = "busy"
    """Codes are being uploaded or removed, of whichever coupon, or given of this one."""
    OTHER_KIND = "other_kind"
    """The codes of this coupon do not come from a pool."""
    NONE = "none"
    """The coupon has no codes."""
    EXHAUSTED = "exhausted"
    """No code of its pool is left."""
    EXPIRED = "expired"
    REVOKED = "revoked"


class CouponCodes(NamedTuple):
    """The codes of a coupon. pool_size: how many were uploaded. given: how many users have one."""

    kind: CodeKind
    total_quantity: int
    pool_size: int
    given: int

    @property
    def free(self) -> int:
        """How many codes of the pool nobody has."""
        return self.pool_size - self.given if self.kind is CodeKind.POOL else 0

    @property
    def missing(self) -> int:
        """How many more codes the pool needs, so that every coupon of the total gets one."""
        return max(0, self.total_quantity - self.pool_size) if self.kind is CodeKind.POOL else 0


class FoundCode(NamedTuple):
    """A code that somebody has, and the issued coupon as it is now.

    expires_at: None: never. discount: the coupon's, as the text of JSON.
    """

    code: str
    user_id: int
    coupon_id: int
    state: IssuedState
    expires_at: datetime | None
    discount: str | None


class ShortPool(NamedTuple):
    """A pool with fewer codes than the coupon's total. opens: time in UTC."""

    coupon_id: int
    missing: int
    opens: str
    is_open: bool


class NotAdded(NamedTuple):
    """A code that was not added to a pool. position: in the sequence that was given, from 0."""

    position: int
    reason: str


class CannotUpload(Exception):
    """The coupon takes no codes; outcome: NOT_FOUND, OTHER_KIND or BUSY."""

    def __init__(self, outcome: CodesOutcome) -> None:
        super().__init__(outcome)
        self.outcome = outcome


def choose_codes(
    connection: Connection, coupon_id: int, kind: CodeKind, acted_by: str
) -> tuple[CodesOutcome, CouponCodes | None]:
    """Choose how the coupon's codes come about: DONE, NOT_FOUND, EXIST or BUSY; the codes then.

    Raises LedgerUnavailable when nothing was chosen, OutcomeUnknown when that is not known.
    """
    values = {"coupon_id": coupon_id, "kind": kind, "acted_by": acted_by}
    try:
        with translated(connection), connection.transaction():
            row = connection.execute(query("choose_codes"), values).fetchone()
            assert row is not None
            return CodesOutcome(row[0]), _read(connection, coupon_id)
    except psycopg.errors.ForeignKeyViolation:  # it was discarded meanwhile
        return CodesOutcome.NOT_FOUND, None


def read_codes(connection: Connection, coupon_id: int) -> CouponCodes | None:
    """The coupon's codes; None: there is no such coupon. Counts those that were given."""
    with translated(connection):
        return _read(connection, coupon_id)


class PoolUpload:
    """An upload to the pool of a coupon, in a transaction of its own."""

    def __init__(self, connection: Connection, coupon_id: int) -> None:
        self._connection = connection
        self._coupon_id = coupon_id
        self.added = 0
        """How many codes were added so far."""

    def add(self, codes: Sequence[str]) -> list[NotAdded]:
        """Add codes. Returns those that were not added, in order."""
        keys = [key_of(code) for code in codes]
        first = {key: position for position, key in reversed(list(enumerate(keys)))}
        values = {"coupon_id": self._coupon_id, "codes": [codes[at] for at in first.values()]}
        added = {row[0] for row in self._connection.execute(query("add_pool_codes"), values)}
        self.added += len(added)
        if len(added) == len(codes):
            return []
        known = {"coupon_id": self._coupon_id, "keys": list(first.keys() - added)}
        rows = self._connection.execute(query("list_uploaded_before"), known)
        repeated = {row[0] for row in rows} | added
        return [
            NotAdded(position, "repeated" if key in repeated else "already_there")
            for position, key in enumerate(keys)
            if key not in added or first[key] != position
        ]


@contextmanager
def pool_upload(connection: Connection, coupon_id: int, acted_by: str) -> Iterator[PoolUpload]:
    """An upload that is committed at the end of the block; an error in it leaves nothing.

    Raises CannotUpload; LedgerUnavailable when nothing was done, OutcomeUnknown when that is not
    known.
    """
    values = {"coupon_id": coupon_id}
    with translated(connection), connection.transaction():
        row = connection.execute(query("begin_pool_upload"), values).fetchone()
        assert row is not None
        if row[0] != "begun":
            raise CannotUpload(CodesOutcome(row[0]))
        upload = PoolUpload(connection, coupon_id)
        yield upload
        noted = {**values, "added": upload.added, "acted_by": acted_by}
        connection.execute(query("end_pool_upload"), noted)


def remove_free_codes(
    connection: Connection, coupon_id: int, acted_by: str
) -> tuple[CodesOutcome, int]:
    """Remove the codes of a pool that nobody has: DONE, NOT_FOUND, OTHER_KIND or BUSY; how many.

    Raises LedgerUnavailable when nothing was done, OutcomeUnknown when that is not known.
    """
    values = {"coupon_id": coupon_id, "acted_by": acted_by}
    outcome, removed = _one(connection, "remove_free_codes", values)
    return CodesOutcome(outcome), removed


def give_code(connection: Connection, user_id: int, coupon_id: int) -> tuple[CodesOutcome, str]:
    """Give the user's coupon its code, or repeat it: (DONE, code).

    Otherwise NOT_FOUND, NONE, EXHAUSTED, EXPIRED or REVOKED, and an empty text. Raises
    LedgerUnavailable when nothing was done, OutcomeUnknown when that is not known; repeating is
    harmless.
    """
    values: dict[str, Any] = {"user_id": user_id, "coupon_id": coupon_id}
    while True:
        outcome, code = _one(connection, "give_code", {**values, "offered": make_code()})
        if outcome == "repeated":
            return CodesOutcome.DONE, code
        if outcome != "taken":
            return CodesOutcome(outcome), code or ""


def find_code(connection: Connection, key: str) -> FoundCode | None:
    """Who has the code with this key; None: nobody."""
    with translated(connection):
        row = connection.execute(query("find_code"), {"key": key}).fetchone()
    if row is None:
        return None
    code, user_id, coupon_id, state, expires_at, discount = row
    return FoundCode(code, user_id, coupon_id, IssuedState(state), expires_at, discount)


def count_pools(connection: Connection) -> int:
    """How many coupons that are not over take their codes from a pool."""
    count: int = _one(connection, "count_pools", {})[0]
    return count


def list_short_pools(connection: Connection) -> list[ShortPool]:
    """Pools with fewer codes than the total of their coupon, of coupons that are not over."""
    with translated(connection):
        return [ShortPool(*row) for row in connection.execute(query("list_short_pools"))]


def _read(connection: Connection, coupon_id: int) -> CouponCodes | None:
    row = connection.execute(query("read_codes"), {"coupon_id": coupon_id}).fetchone()
    return None if row is None else CouponCodes(CodeKind(row[0]), *row[1:])


def _one(connection: Connection, name: str, values: dict[str, Any]) -> tuple[Any, ...]:
    with translated(connection):
        row: tuple[Any, ...] | None = connection.execute(query(name), values).fetchone()
    assert row is not None
    return row
