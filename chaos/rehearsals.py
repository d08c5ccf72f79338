"""Small rehearsals beside everything else, as an operator holds and purges them."""

import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from functools import partial
from itertools import count
from threading import Event

import psycopg
from confluent_kafka import KafkaException

from chaos.admissions import Intruder
from chaos.callers import Caller, meanwhile
from chaos.history import History
from chaos.remains import note_rehearsal, read_left
from coupons.endpoints import Endpoints
from coupons.errors import CouponError
from coupons.gate import connect_gate
from coupons.ledger.connection import connect_ledger
from coupons.ledger.rehearsals import list_rehearsals
from coupons.waiting import attempts
from operations.rehearsal.load import Answers, Size
from operations.rehearsal.purging import purge_rehearsal
from operations.rehearsal.run import rehearse
from operations.session import connect

SIZE = Size(rate=10, seconds=3, users=20, quantity=15, connections=4)
ACTED_BY = "chaos"
PAUSE_SECONDS = 1.0
FIRST_INTRUDER = 8_000_000_000
SILENT_SECONDS = 300.0
PURGES_AT_ONCE = 0.5
"""Share of rehearsals that are purged during faults; the others at the end."""
PURGED_WITHIN_SECONDS = 120.0
_FAILURES = (CouponError, KafkaException, psycopg.Error, OSError)
"""Of an operator's command beside faults."""


class Rehearsals:
    """Rehearsals, one after the other. complaints: of purges that did not succeed.

    where: COUPON_* addresses, the database as its owner. ops_url: the database as operators use it.
    """

    def __init__(
        self,
        where: Mapping[str, str],
        ops_url: str,
        caller: tuple[str, str],
        history: History,
        seed: str,
    ) -> None:
        self._where = where
        self._endpoints = Endpoints({**where, "COUPON_DATABASE_URL": ops_url}, "ops")
        self._caller = caller
        self._history = history
        self._rng = random.Random(f"{seed}/rehearsals")
        self._intruders = count(FIRST_INTRUDER)
        self._before = set(self._listed(purged_too=True))
        self.failures: list[str] = []
        self.complaints: list[str] = []

    @contextmanager
    def going_on(self) -> Iterator[None]:
        """Rehearse while the block runs."""
        with meanwhile([self._work]):
            yield

    def end(self) -> None:
        """Purge all, while nothing is broken, and wait until nothing is left of them."""
        log = self._history.rehearsals
        log.begun = sorted(set(self._listed(purged_too=True)) - self._before)
        for coupon_id in self._listed():
            if coupon_id not in self._before:
                why = self._until_done(partial(self._purge, coupon_id))
                if why:
                    self.complaints.append(f"rehearsal {coupon_id} is not purged: {why}")
        if why := self._until_done(self._nothing_is_left):
            self.complaints.append(f"rehearsals: {why}")
        if not any(log.issued.values()):
            why = f": {self.failures[-1]}" if self.failures else ""
            self.complaints.append(f"no rehearsal issued a coupon{why}")

    def _work(self, stop: Event) -> None:
        while not stop.wait(PAUSE_SECONDS):
            begun: list[int] = []
            self._try(partial(self._rehearse, begun))
            if begun and self._rng.random() < PURGES_AT_ONCE:
                self._try(partial(self._purge, begun[0]))

    def _try(self, work: Callable[[], object]) -> None:
        """Once; what a command may end with beside faults is no complaint."""
        try:
            work()
        except _FAILURES as error:
            self.failures.append(f"{type(error).__name__}: {error}")
        except Exception as error:
            self.complaints.append(f"a rehearsal ended with {type(error).__name__}: {error}")

    def _rehearse(self, begun: list[int]) -> None:
        with connect(self._endpoints, SILENT_SECONDS) as session:
            rehearse(session, SIZE, ACTED_BY, self._begins(begun))

    def _begins(self, begun: list[int]) -> Callable[[int, Answers], None]:
        def claims(coupon_id: int, _: Answers) -> None:
            """Somebody who is no synthetic user claims it, too."""
            begun.append(coupon_id)
            with closing(Caller(*self._caller)) as caller:
                response = caller.claim(coupon_id, next(self._intruders))
            intruder = Intruder(coupon_id, response.user_id, response.status, response.reason)
            self._history.rehearsals.intruders.append(intruder)

        return claims

    def _purge(self, coupon_id: int) -> str:
        """Purge it; "": done. Raises what a purge raises."""
        with psycopg.connect(self._where["COUPON_DATABASE_URL"], connect_timeout=5) as owner:
            note_rehearsal(owner, coupon_id, self._history.rehearsals)
        with connect(self._endpoints) as session:
            left = purge_rehearsal(session, coupon_id, ACTED_BY).after
        return "" if left.is_nothing else f"{left} is left"

    def _nothing_is_left(self) -> str:
        gate = connect_gate(self._where["COUPON_REDIS_URL"])
        url, begun = self._where["COUPON_DATABASE_URL"], self._history.rehearsals.begun
        for coupon_id, left in read_left(gate, url, begun).items():
            if left.keys or any(left.rows.values()):
                return f"of {coupon_id} {left} is left"
        return ""

    def _until_done(self, once: Callable[[], str]) -> str:
        """Repeat until it returns ""; else what it returned or raised last."""
        why = ""
        for _ in attempts(PURGED_WITHIN_SECONDS, PAUSE_SECONDS):
            try:
                why = once()
            except _FAILURES as error:
                why = str(error)
            if not why:
                break
        return why

    def _listed(self, *, purged_too: bool = False) -> list[int]:
        """Rehearsals of the ledger."""
        url = self._endpoints["COUPON_DATABASE_URL"]
        with closing(connect_ledger(url, ACTED_BY)) as ledger:
            found = list_rehearsals(ledger)
        return [each.coupon_id for each in found if purged_too or each.purged_at is None]
