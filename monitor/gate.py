"""What the monitor reads from Redis: the gate's figures, the oldest request, memory, heartbeat."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from coupons.gate import GateFigures, connect_gate
from coupons.gate.heartbeat import read_heartbeat
from coupons.gate.refusals import translated
from coupons.model import Coupon


@dataclass(frozen=True, slots=True)
class GateReading:
    """What the gate has.

    figures: by coupon; None where the gate does not have it; empty while the coupons are not known.
    oldest_s: age of the oldest request that is not final; 0: there is none; None: not known,
    because the gate lacks a coupon. limit_bytes: None: no limit. heartbeat_s: age of the newest
    heartbeat that came through; None: none did. drift: requests by which gate and ledger differ,
    see `Drift`; None: the coupons are not known.
    """

    figures: Mapping[int, GateFigures | None]
    oldest_s: float | None
    memory_bytes: int
    limit_bytes: int | None
    heartbeat_s: float | None
    drift: int | None


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
    """coupons: the last that were read from the ledger; None: none yet."""

    def __init__(self, url: str, coupons: Callable[[], Sequence[Coupon] | None]) -> None:
        self._gate = connect_gate(url)
        self._coupons = coupons
        self._drift = Drift()
        self._compared: Sequence[Coupon] | None = None
        self._last_drift: int | None = None
        self.unfinished: tuple[int, ...] = ()
        """The coupons that had requests which are not final."""

    def read(self) -> GateReading:
        """Five round trips. Raises RedisUnavailable."""
        with translated():
            memory = self._gate.client.info("memory")
        heartbeat_us = read_heartbeat(self._gate.client)
        coupons = self._coupons()
        ids = [coupon.coupon_id for coupon in coupons or ()]
        figures = dict(zip(ids, self._gate.figures(ids), strict=True))
        oldest_us = self._gate.oldest_pending_us(figures).values()
        # The clock last: no request is younger than it.
        now_us = self._gate.now_us()
        complete = coupons is not None and None not in figures.values()
        self.unfinished = tuple(each for each, found in figures.items() if found and found.pending)
        return GateReading(
            figures,
            max(0, now_us - min(oldest_us, default=now_us)) / 1e6
            if oldest_us or complete
            else None,
            int(memory["used_memory"]),
            int(memory["maxmemory"]) or None,
            None if heartbeat_us is None else max(0.0, time.time() - heartbeat_us / 1e6),
            self._compare(coupons, figures),
        )

    def _compare(
        self, coupons: Sequence[Coupon] | None, figures: Mapping[int, GateFigures | None]
    ) -> int | None:
        """Compare once for each reading of the ledger; until the next, the result stays."""
        if coupons is not None and coupons is not self._compared:
            self._compared = coupons
            self._last_drift = self._drift.note(coupons, figures)
        return self._last_drift
