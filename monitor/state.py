"""The state of the complete system as one value: what each source said last, and what follows."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from coupons.gate import GateFigures, unavailable_reason
from coupons.model import Coupon, CouponState
from monitor.dead_letters import DeadLetters
from monitor.gate import GateReading
from monitor.ledger import LedgerState
from monitor.processes import Disk, Health
from monitor.source import Reading
from monitor.stream import Connector, KafkaState

MOST_SHOWN = 100
"""Live coupons that are shown one by one, those that started last."""
GATE_STATES = ("loaded", "paused", "ended", "unavailable", "unread")


@dataclass(frozen=True, slots=True)
class Process:
    """A process that answers over HTTP. address: host:port."""

    part: str
    address: str
    health: Reading[Health]


@dataclass(frozen=True, slots=True)
class InLedger:
    """Sums over the coupons that were read. in_flight: None: the gate's share is not known."""

    issued: int
    rejected: int
    in_flight: int | None

    @property
    def accepted(self) -> int | None:
        return None if self.in_flight is None else self.issued + self.rejected + self.in_flight


@dataclass(frozen=True, slots=True)
class AtGate:
    """Sums at the gate. coupons: how many are in each of GATE_STATES."""

    pending: int
    issued: int
    rejected: int
    coupons: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class LiveCoupon:
    """One coupon. figures: None: unknown, or the gate does not have it."""

    coupon: Coupon
    figures: GateFigures | None


@dataclass(frozen=True, slots=True)
class State:
    """A reading of each source; None: it is not watched.

    addresses: the servers of postgres, redis, kafka and connect.
    """

    taken_at: datetime
    postgres: Reading[LedgerState]
    redis: Reading[GateReading]
    kafka: Reading[KafkaState]
    dead_letters: Reading[DeadLetters]
    connect: Reading[Connector] | None
    disks: Reading[dict[str, Disk]] | None
    processes: tuple[Process, ...]
    addresses: Mapping[str, str]

    @property
    def sources(self) -> dict[str, Reading[object]]:
        """The sources by name, without the processes."""
        named: dict[str, Reading[object] | None] = {
            "postgres": self.postgres,
            "redis": self.redis,
            "kafka": self.kafka,
            "dead-letters": self.dead_letters,
            "connect": self.connect,
            "disks": self.disks,
        }
        return {name: reading for name, reading in named.items() if reading is not None}

    @property
    def connector(self) -> Connector | None:
        """None: Connect is not known, or not watched."""
        return None if self.connect is None else self.connect.value

    @property
    def at_gate(self) -> AtGate | None:
        """None: Redis or the list of coupons is not known."""
        ledger, gate = self.postgres.value, self.redis.value
        if ledger is None or gate is None:
            return None
        states = Counter({"unread": ledger.live - len(ledger.coupons)})
        states.update(self._gate_state(each, gate) for each in ledger.coupons)
        held = [figures for figures in gate.figures.values() if figures]
        return AtGate(
            sum(figures.pending for figures in held),
            sum(figures.issued for figures in held),
            sum(figures.rejected for figures in held),
            {name: states[name] for name in GATE_STATES},
        )

    @property
    def in_ledger(self) -> InLedger | None:
        """None: Postgres is not known."""
        ledger, at_gate = self.postgres.value, self.at_gate
        if ledger is None:
            return None
        complete = at_gate is not None and not at_gate.coupons["unavailable"]
        return InLedger(
            sum(coupon.issued_count for coupon in ledger.coupons),
            sum(coupon.rejected_count for coupon in ledger.coupons),
            at_gate.pending if at_gate and complete else None,
        )

    @property
    def live(self) -> list[LiveCoupon]:
        """At most MOST_SHOWN coupons; none while Postgres is not known."""
        ledger, gate = self.postgres.value, self.redis.value
        if ledger is None:
            return []
        newest = sorted(ledger.coupons, key=lambda each: each.issue_starts_at, reverse=True)
        live = [coupon for coupon in newest if not self._has_ended(coupon)]
        figures = gate.figures if gate else {}
        return [LiveCoupon(each, figures.get(each.coupon_id)) for each in live[:MOST_SHOWN]]

    @property
    def limit_reached(self) -> bool | None:
        """Whether a consumer stopped at the dead-letter limit; None: no consumer is known."""
        healths = [each.health.value for each in self.processes if each.part == "consumer"]
        known = [health for health in healths if health is not None]
        return any(health.is_stopped for health in known) if known else None

    def _gate_state(self, coupon: Coupon, gate: GateReading) -> str:
        # A coupon that the gate was not asked for was created since.
        figures = gate.figures.get(coupon.coupon_id)
        if coupon.coupon_id not in gate.figures:
            return "unread"
        if unavailable_reason(figures, coupon) is not None:
            return "unavailable"
        if self._has_ended(coupon):
            return "ended"
        return "paused" if coupon.state is CouponState.PAUSED else "loaded"

    def _has_ended(self, coupon: Coupon) -> bool:
        ends_at = coupon.issue_ends_at
        over = ends_at is not None and ends_at <= self.taken_at
        return over or coupon.state in (CouponState.CLOSED, CouponState.ARCHIVED)


def now() -> datetime:
    """In UTC."""
    return datetime.now(UTC)
