"""One trial of the stack: claims during faults, then healing, then a check of every promise."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import timedelta
from random import Random
from threading import Event, Thread

import psycopg

from api.settings import ApiSettings
from chaos.callers import Caller, Callers
from chaos.ends import await_ends
from chaos.evidence import Evidence, read_evidence
from chaos.faults.catalogue import all_faults
from chaos.faults.fault import Fault, FaultContext
from chaos.guests import Guests
from chaos.history import History, Stock
from chaos.recovery import await_quiet
from chaos.rehearsals import Rehearsals
from chaos.short_sales import ShortSales
from chaos.target import APPLICATIONS, Target
from chaos.tills import Tills
from chaos.topics import end_offsets
from chaos.verdict import violations
from chaos.visitors import Visitors
from chaos.waiters import Waiters
from coupons.waiting import eventually

ROOMY, SCARCE, RAISED = 100_000, 120, 60
RAISE_BY = 20
RAISE_EVERY_SECONDS = 2.0
WEIGHTS = (6, 2, 2)
THREADS = 8
TILLS = 2
VISITORS = 2
VALID_SECONDS = 20.0
"""How long coupons of the one that is raised are valid, from the beginning of the trial."""
QUIET_WITHIN_SECONDS = 120.0


class Trial:
    """Seven coupons and their callers.

    One coupon does not sell out, one sells out soon, and one has its total raised all the time and
    expires. Another has a line, which is served as its total is raised. Two have a waiting room, by
    arrival and by lot. One is open to a list, which is replaced. Tills use, cancel and revoke what
    was issued. Beside them, small coupons are claimed, closed and archived, some of their users are
    erased, and rehearsals are held and purged.
    """

    def __init__(self, target: Target, seed: str) -> None:
        self.target = target
        self.seed = seed
        self.history = History()
        self._caller = target.where["COUPON_API_URL"], target.folder.secret("jwt.key")
        self._begin = end_offsets(target.where["COUPON_KAFKA_BOOTSTRAP_SERVERS"])
        roomy, self._scarce, self._raised = (
            self._create(total) for total in (ROOMY, SCARCE, RAISED)
        )
        self._expire_later(self._raised)
        weights = dict(zip((roomy, self._scarce, self._raised), WEIGHTS, strict=True))
        self._callers = Callers(self._caller, self.history, weights, seed)
        self._tills = Tills(self._caller, self.history, seed)
        self._waiters = Waiters(self._caller, self.history)
        self._sales = ShortSales(self._caller, self.history, seed)
        self._guests = Guests(self._caller, self.history, seed)
        ops_url = target.stack.database_url("ops")
        self._rehearsals = Rehearsals(target.where, ops_url, self._caller, self.history, seed)
        self._visitors = Visitors(self._caller, self.history, seed)
        self._drawn = Visitors(self._caller, self.history, seed, by_lot=True)
        context = FaultContext(target, self.history, roomy, Random(f"{seed}/faults"))
        self.faults: Mapping[str, Fault] = all_faults(context)
        self.complaints: list[str] = []
        self.evidence = Evidence()

    @contextmanager
    def claims(self) -> Iterator[None]:
        """Callers claim and tills work while the block runs; it begins once claims are accepted."""
        stop = Event()
        raising = Thread(target=self._keep_raising, args=(stop,), daemon=True)
        with (
            self._sales.going_on(),
            self._rehearsals.going_on(),
            self._callers.claiming(THREADS),
            self._tills.working(TILLS),
            self._waiters.waiting(),
            self._guests.claiming(),
            self._visitors.visiting(VISITORS),
            self._drawn.visiting(1),
        ):
            raising.start()
            try:
                self.more_are_accepted(50)
                # Before a fault that may keep all others from being issued in time.
                eventually(lambda: not self._tills.check(), 60, "tills are served")
                eventually(lambda: not self._waiters.check(), 60, "users join a line")
                eventually(lambda: not self._guests.check(), 60, "a list admits and refuses")
                eventually(lambda: not self._visitors.check(), 60, "turns come")
                yield
            finally:
                stop.set()
                raising.join()

    def more_are_accepted(self, count: int) -> None:
        """Return once that many more claims are accepted."""
        until = self._accepted() + count
        eventually(lambda: self._accepted() >= until, 60, "claims are accepted")

    def revive(self) -> set[str]:
        """Start the parts that have ended; return their names. Returns when servers are healthy.

        An application that ends because something else is down is a violation.
        """
        revived = self.target.revive()
        ended = sorted(revived.intersection(APPLICATIONS))
        self.complaints += [f"{name} ended unexpectedly" for name in ended]
        return revived

    def verdict(self) -> list[str]:
        """Heal everything, wait until all is settled, sell out two coupons, check every promise."""
        self.target.heal()
        complaints = [*self.complaints, self._check_workers(), self._await_quiet()]
        self._visitors.come_back()
        self._drawn.come_back()
        complaints.append(self._drawn.check_lot())
        self._rehearsals.end()
        for each in (
            self._sales,
            self._guests,
            self._visitors,
            self._drawn,
            self._rehearsals,
        ):
            complaints += each.complaints
        for coupon_id in (self._scarce, self._raised):
            self._callers.claim_until_sold_out(coupon_id, self.history.stocks[coupon_id][-1].total)
        complaints += [self._waiters.await_served(self.target.where), self._await_quiet()]
        complaints.append(await_ends(self.target.where, self.history, QUIET_WITHIN_SECONDS))
        self.evidence = read_evidence(self.target.where, self.history, self._begin)
        complaints.append(self._waiters.check_promoted(self.evidence.entries))
        return [each for each in complaints if each] + violations(self.history, self.evidence)

    def _check_workers(self) -> str:
        """A complaint when the API has not as many workers as its settings say."""
        wanted = ApiSettings.model_fields["api_workers"].default
        try:
            eventually(lambda: len(self.target.api_workers()) == wanted, 30)
        except AssertionError:
            return f"the API has {len(self.target.api_workers())} workers and not {wanted}"
        return ""

    def _await_quiet(self) -> str:
        return await_quiet(self.target.where, self.history, QUIET_WITHIN_SECONDS)

    def _accepted(self) -> int:
        statuses = self.history.statuses()
        return statuses[202] + statuses[200]

    def _create(self, total: int) -> int:
        caller = Caller(*self._caller)
        coupon_id = caller.create_coupon(total)
        caller.close()
        self.history.stocks[coupon_id] = [Stock(total, 0.0, 0.0)]
        return coupon_id

    def _expire_later(self, coupon_id: int) -> None:
        with psycopg.connect(self.target.where["COUPON_DATABASE_URL"]) as owner:
            owner.execute(
                "UPDATE coupon SET valid_until = now() + %s WHERE coupon_id = %s",
                [timedelta(seconds=VALID_SECONDS), coupon_id],
            )

    def _keep_raising(self, stop: Event) -> None:
        caller = Caller(*self._caller)
        stocks = self.history.stocks[self._raised]
        while not stop.wait(RAISE_EVERY_SECONDS):
            with suppress(AssertionError):  # The next raise includes it.
                stocks.append(caller.change_total(self._raised, stocks[-1].total + RAISE_BY))
        caller.close()
