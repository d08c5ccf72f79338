"""Look-ups in the ledger of coupons that the gate does not have, as of archived ones."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from coupons.ledger.connection import Connection, LedgerPool, pooled

LOOKUPS_AT_ONCE = 2
PATIENCE_SECONDS = 0.5
"""So long one waits for its turn: a Postgres that does not answer would hold them all up."""

T = TypeVar("T")


class TooManyLookups(Exception):
    """The turn did not come in time."""


class RareLookups:
    """Few at once, whoever asks, so that other reads of this worker go on."""

    def __init__(self, pool: LedgerPool) -> None:
        self._pool = pool
        self._turns = asyncio.Semaphore(LOOKUPS_AT_ONCE)

    async def find(self, look_up: Callable[[Connection], T]) -> T:
        """What look_up finds, in a thread. Raises TooManyLookups or LedgerUnavailable."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await self._turns.acquire()
        except TimeoutError:
            raise TooManyLookups from None
        try:
            return await asyncio.to_thread(self._find, look_up)
        finally:
            self._turns.release()

    def _find(self, look_up: Callable[[Connection], T]) -> T:
        with pooled(self._pool) as connection:
            return look_up(connection)
