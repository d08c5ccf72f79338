"""The keys that tickets of waiting rooms are signed with, as one batch of arrivals needs them."""

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from time import monotonic

from coupons.errors import LedgerUnavailable
from coupons.ledger.connection import Connection, LedgerPool, pooled
from coupons.ledger.waiting_rooms import find_ticket_keys

MOST_KEYS = 1_000
NO_KEY_SECONDS = 1.0
"""So long it is remembered that a coupon has no room: nobody has a ticket of it."""


class KnownKeys:
    """What was read before. A key never changes. Safe to share between threads."""

    def __init__(self) -> None:
        self.keys: dict[int, str] = {}
        self._none_until: dict[int, float] = {}

    def unknown(self, coupon_ids: Iterable[int]) -> set[int]:
        """Those of these coupons that have to be looked up."""
        now = monotonic()
        return {
            each
            for each in coupon_ids
            if each not in self.keys and self._none_until.get(each, 0.0) <= now
        }

    def learn(self, asked: Iterable[int], found: dict[int, str]) -> None:
        """Remember what was found of those that were asked for."""
        for known in (self.keys, self._none_until):
            if len(known) >= MOST_KEYS:
                known.clear()
        self.keys.update(found)
        until = monotonic() + NO_KEY_SECONDS
        self._none_until.update((each, until) for each in asked if each not in found)


class LedgerOfBatch:
    """The ledger as one batch uses it: once it does not answer, it is not asked again."""

    def __init__(self, pool: LedgerPool, known: KnownKeys) -> None:
        self._pool = pool
        self._known = known
        self._absent: set[int] = set()
        self._failure: LedgerUnavailable | None = None

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """Raises LedgerUnavailable."""
        if self._failure is not None:
            raise self._failure
        try:
            with pooled(self._pool) as connection:
                yield connection
        except LedgerUnavailable as error:
            self._failure = error
            raise

    def look_up(self, coupon_ids: Iterable[int]) -> None:
        """Read the keys of these coupons at once. If it fails, `ticket_key` says so."""
        if unknown := self._known.unknown(coupon_ids):
            try:
                self._read(unknown)
            except LedgerUnavailable:
                return

    def ticket_key(self, coupon_id: int, *, has_room: bool = False) -> str | None:
        """None: the coupon never had a room. has_room: the gate says that it has one.

        Raises LedgerUnavailable.
        """
        key = self._known.keys.get(coupon_id)
        if key is None and (has_room or self._is_unknown(coupon_id)):
            self._read([coupon_id])
            key = self._known.keys.get(coupon_id)
        return key

    def _is_unknown(self, coupon_id: int) -> bool:
        return coupon_id not in self._absent and bool(self._known.unknown([coupon_id]))

    def _read(self, coupon_ids: Collection[int]) -> None:
        with self.connection() as connection:
            found = find_ticket_keys(connection, coupon_ids)
        self._known.learn(coupon_ids, found)
        self._absent.update(each for each in coupon_ids if each not in found)
