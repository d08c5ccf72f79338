"""One trial of the stack: claims flow, faults happen, all is healed, and the books are opened."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from random import Random
from threading import Event, Thread

from api.settings import ApiSettings
from chaos.checkers import violations
from chaos.crowd import Caller, Crowd
from chaos.evidence import end_offsets, read_evidence
from chaos.faults import Fault, Ground, all_faults
from chaos.history import History, Stock
from chaos.recovery import await_quiet
from chaos.site import APPLICATIONS, Site
from coupons.waiting import eventually

ROOMY, SCARCE, RAISED = 100_000, 120, 60
RAISE_BY = 20
RAISE_EVERY_SECONDS = 2.0
WEIGHTS = (6, 2, 2)
THREADS = 8
QUIET_WITHIN_SECONDS = 120.0


class Trial:
    """Three coupons (room for all, soon sold out, raised again and again) and their callers."""

    def __init__(self, site: Site, seed: str) -> None:
        self.site = site
        self.seed = seed
        self.history = History()
        self._caller = site.where["COUPON_API_URL"], site.folder.secret("jwt.key")
        self._begin = end_offsets(site.where["COUPON_KAFKA_BOOTSTRAP_SERVERS"])
        roomy, self._scarce, self._raised = (
            self._create(total) for total in (ROOMY, SCARCE, RAISED)
        )
        weights = dict(zip((roomy, self._scarce, self._raised), WEIGHTS, strict=True))
        self._crowd = Crowd(self._caller, self.history, weights, seed)
        ground = Ground(site, self.history, roomy, Random(f"{seed}/faults"))
        self.faults: Mapping[str, Fault] = all_faults(ground)
        self.complaints: list[str] = []

    @contextmanager
    def claims(self) -> Iterator[None]:
        """People claim while the block runs; it begins when claims are accepted."""
        stop = Event()
        raising = Thread(target=self._raise_again_and_again, args=(stop,), daemon=True)
        with self._crowd.claiming(THREADS):
            raising.start()
            try:
                self.more_are_accepted(50)
                yield
            finally:
                stop.set()
                raising.join()

    def more_are_accepted(self, count: int) -> None:
        """Return when that many more claims were accepted."""
        until = self._accepted() + count
        eventually(lambda: self._accepted() >= until, 60, "claims are accepted")

    def revive(self) -> set[str]:
        """Have every server healthy; the names of parts that had ended by themselves.

        An application that ends because something else is away is a violation.
        """
        revived = self.site.revive()
        ended = sorted(revived.intersection(APPLICATIONS))
        self.complaints += [f"{name} ended by itself" for name in ended]
        return revived

    def verdict(self) -> list[str]:
        """Heal everything, wait for quiet, sell out what was scarce, and check each promise."""
        self.site.mend()
        complaints = [*self.complaints, self._workers(), self._quiet()]
        for coupon_id in (self._scarce, self._raised):
            self._crowd.claim_until_sold_out(coupon_id, self.history.stocks[coupon_id][-1].total)
        complaints.append(self._quiet())
        evidence = read_evidence(self.site.where, self.history.coupon_ids, self._begin)
        return [each for each in complaints if each] + violations(self.history, evidence)

    def _workers(self) -> str:
        """The API has as many workers as it is set to, whatever became of some."""
        wanted = ApiSettings.model_fields["api_workers"].default
        try:
            eventually(lambda: len(self.site.api_workers()) == wanted, 30)
        except AssertionError:
            return f"the API has {len(self.site.api_workers())} workers and not {wanted}"
        return ""

    def _quiet(self) -> str:
        return await_quiet(self.site.where, self.history, QUIET_WITHIN_SECONDS)

    def _accepted(self) -> int:
        statuses = self.history.statuses()
        return statuses[202] + statuses[200]

    def _create(self, total: int) -> int:
        caller = Caller(*self._caller)
        coupon_id = caller.create_coupon(total)
        caller.close()
        self.history.stocks[coupon_id] = [Stock(total, 0.0, 0.0)]
        return coupon_id

    def _raise_again_and_again(self, stop: Event) -> None:
        caller = Caller(*self._caller)
        stocks = self.history.stocks[self._raised]
        while not stop.wait(RAISE_EVERY_SECONDS):
            with suppress(AssertionError):  # The next raise covers it.
                stocks.append(caller.change_total(self._raised, stocks[-1].total + RAISE_BY))
        caller.close()
