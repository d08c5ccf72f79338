"""What the monitor reads from Postgres: live coupons with their counts, and the slots."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from connectors.events import EVENTS_SLOT
from connectors.slot import Slot, read_slot
from coupons.ledger.codes import list_short_pools
from coupons.ledger.connection import Connection, connect_ledger
from coupons.ledger.coupons import list_live
from coupons.model import Coupon

MOST_COUPONS = 1_000
"""Live coupons that are read; the others are only counted. It bounds the work at the gate."""
ANSWER_TIMEOUT_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class LedgerState:
    """coupons: the live ones that were read, and those with requests that are not final.

    live: how many there are in all. began_s: when the reading began, by `time.monotonic`.
    events_slot: that of the events for other services; it is not usable while they are off.
    short_pools: how many pools have fewer codes than the total of a coupon that is not over.
    """

    began_s: float

    coupons: tuple[Coupon, ...]
    live: int
    slot: Slot
    events_slot: Slot
    short_pools: int


class LedgerLink:
    """One connection, made again when it was lost. For one thread."""

    def __init__(self, url: str, name: str) -> None:
        self._url = url
        self._name = name
        self._connection: Connection | None = None

    def connection(self) -> Connection:
        """Raises LedgerUnavailable."""
        if self._connection is None or self._connection.closed:
            self._connection = connect_ledger(self._url, self._name, ANSWER_TIMEOUT_SECONDS)
        return self._connection


class LedgerReader:
    """unfinished: the coupons with requests that are not final, read even if they have ended."""

    def __init__(self, url: str, unfinished: Callable[[], Iterable[int]]) -> None:
        self._link = LedgerLink(url, "coupon-monitor")
        self._unfinished = unfinished

    def read(self) -> LedgerState:
        """Five queries, whatever the number of requests. Raises LedgerUnavailable."""
        connection = self._link.connection()
        began_s = time.monotonic()
        coupons, live = list_live(connection, self._unfinished(), MOST_COUPONS)
        slots = read_slot(connection), read_slot(connection, EVENTS_SLOT)
        short = len(list_short_pools(connection))
        return LedgerState(began_s, tuple(coupons), live, *slots, short)
