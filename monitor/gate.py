"""What the monitor reads from Redis: the gate's figures, the oldest request, memory, heartbeat."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from coupons.gate import GateFigures, connect_gate, unavailable_reason
from coupons.gate.heartbeat import read_heartbeat
from coupons.gate.refusals import translated
from coupons.model import Coupon
from monitor.coupon_rates import CouponRates
from monitor.gate_rates import GateRate, GateRates
from monitor.ledger import LedgerState


@dataclass(frozen=True, slots=True)
class GateReading:
    """What the gate has.

    figures: by coupon; None where the coupon is unavailable at the gate, whose counts then mean
    nothing; empty while the coupons are not known. oldest_s: age of the oldest request that is not
    final; 0: there is none; None: not known, because a coupon is unavailable or was not read.
    limit_bytes: None: no limit. heartbeat_s: age of the newest heartbeat that came through; None:
    none did. drift: requests by which gate and ledger differ, see `Drift`; None: Postgres is not
    known. rate: of what was read. taken_per_s: by coupon, what is issued or pending more; a coupon
    is absent until that is known.
    """

    figures: Mapping[int, GateFigures | None]
    oldest_s: float | None
    memory_bytes: int
    limit_bytes: int | None
    heartbeat_s: float | None
    drift: int | None
    rate: GateRate
    taken_per_s: Mapping[int, float]


class Drift:
    """Compares the counts of gate and ledger between two readings.

    A mark at the gate follows its commit in the ledger. So the gate must have at least what the
    ledger had at the reading before, and the ledger at least what the gate had then; what is
    between the two is in flight. Also, at the gate admitted = compensated + pending + final.
    """

    def __init__(self) -> None:
        self._coupons: dict[int, Coupon] = {}
        self._figures: Mapping[int, GateFigures | None] = {}

    def note(self, coupons: Sequence[Coupon], figures: Mapping[int, GateFigures | None]) -> int:
        """How many requests differ. coupons: read since the figures of the last call."""
        drift = 0
        for coupon in coupons:
            now = figures.get(coupon.coupon_id)
            if now is None:
                continue  # unavailable: it is rebuilt from the ledger
            settled = now.issued + now.rejected
            drift += abs(now.admitted - now.compensated - now.pending - settled)
            before = self._coupons.get(coupon.coupon_id)
            if before is not None and before.gate_epoch == coupon.gate_epoch:
                drift += max(0, before.issued_count - now.issued)
                drift += max(0, before.rejected_count - now.rejected)
            gate = self._figures.get(coupon.coupon_id)
            if gate is not None:
                drift += max(0, gate.issued - coupon.issued_count)
                drift += max(0, gate.rejected - coupon.rejected_count)
        self._coupons = {coupon.coupon_id: coupon for coupon in coupons}
        self._figures = figures
        return drift


class GateReader:
    """ledger: what was read from it last; None: nothing yet. is_known: whether it is known now."""

    def __init__(
        self, url: str, ledger: Callable[[], LedgerState | None], is_known: Callable[[], bool]
    ) -> None:
        self._gate = connect_gate(url)
        self._ledger = ledger
        self._is_known = is_known
        self._drift = Drift()
        self._rates = GateRates()
        self._coupon_rates = CouponRates()
        self._compared_s = 0.0
        self._last_drift: int | None = None
        self.unfinished: tuple[int, ...] = ()
        """The coupons that had requests which are not final, when they were last available."""

    def read(self) -> GateReading:
        """Five round trips. Raises RedisUnavailable."""
        with translated():
            memory = self._gate.client.info("memory")
        heartbeat_us = read_heartbeat(self._gate.client)
        ledger = self._ledger()
        coupons = ledger.coupons if ledger else ()
        figures = self._figures(coupons)
        read_s = time.monotonic()
        oldest_us = self._gate.oldest_pending_us(figures).values()
        # The clock last: no request is younger than it.
        now_us = self._gate.now_us()
        complete = ledger is not None and ledger.live <= len(coupons)
        complete = complete and None not in figures.values()
        self.unfinished = tuple(
            coupon_id
            for coupon_id, found in figures.items()
            if (found.pending if found else coupon_id in self.unfinished)
        )
        return GateReading(
            figures,
            max(0, now_us - min(oldest_us, default=now_us)) / 1e6
            if oldest_us or complete
            else None,
            int(memory["used_memory"]),
            int(memory["maxmemory"]) or None,
            None if heartbeat_us is None else max(0, now_us - heartbeat_us) / 1e6,
            self._compare(ledger, figures, read_s),
            self._rates.note(read_s, figures),
            self._coupon_rates.note(read_s, figures),
        )

    def _figures(self, coupons: Sequence[Coupon]) -> dict[int, GateFigures | None]:
        found = self._gate.figures([coupon.coupon_id for coupon in coupons])
        return {
            coupon.coupon_id: None if unavailable_reason(each, coupon) else each
            for coupon, each in zip(coupons, found, strict=True)
        }

    def _compare(
        self, ledger: LedgerState | None, figures: Mapping[int, GateFigures | None], read_s: float
    ) -> int | None:
        """Compare once for each reading of the ledger; until the next, the result stays.

        A reading that began before the figures of the last comparison were read has less than they.
        read_s: when the figures were read.
        """
        if ledger is None or not self._is_known():
            return None
        if ledger.began_s > self._compared_s:
            self._compared_s = read_s
            self._last_drift = self._drift.note(ledger.coupons, figures)
        return self._last_drift
