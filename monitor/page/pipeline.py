"""The pipeline as a picture: the stages, and between them how much passes and how late it is."""

from typing import NamedTuple

from monitor.page.figures import Figure, duration, figure, number, oldest, rate, size
from monitor.source import Reading
from monitor.state import AtGate, InLedger, Process, State

NOT_MEASURED = "not measured yet"


class Arrow(NamedTuple):
    """To the next stage. rate: how much passes. delay: how late it is; label: what that is."""

    by: str
    rate: Figure
    delay: Figure
    label: str


class Node(NamedTuple):
    """A stage. state: ok, failing, unknown or not watched. arrow: None: it is the last one."""

    name: str
    where: str
    state: str
    facts: list[tuple[str, Figure]]
    arrow: Arrow | None


def draw(state: State) -> list[Node]:
    """From the gate to what is final."""
    at_gate, sums = state.at_gate, state.in_ledger
    return [
        _gate(state, at_gate),
        _ledger(state, sums),
        _kafka(state),
        _consumers(state, sums),
        _final(state, sums),
    ]


def _gate(state: State, at_gate: AtGate | None) -> Node:
    facts = [
        ("API healthy", _count(state, "api")),
        ("open coupons", _sum(state, at_gate.coupons["loaded"] if at_gate else None)),
        ("pending", _sum(state, at_gate.pending if at_gate else None)),
    ]
    admitted = figure(state.redis, lambda gate: rate(gate.rate.admitted_per_s), NOT_MEASURED)
    waits = figure(state.redis, lambda gate: oldest(gate.oldest_s), "a coupon is unavailable")
    arrow = Arrow("admitted", admitted, waits, "oldest not final")
    level = _worst(_known(state.redis), _state(state, "api"))
    return Node("Gate", "API and Redis", level, facts, arrow)


def _ledger(state: State, sums: InLedger | None) -> Node:
    slot = state.postgres
    facts = [
        ("accepted", _sum(state, sums.accepted if sums else None)),
        ("WAL kept", figure(slot, lambda found: size(found.slot.retained_bytes), "no slot")),
    ]
    captured = figure(state.kafka, lambda kafka: rate(kafka.captured_per_s), NOT_MEASURED)
    heartbeat = figure(state.redis, lambda gate: duration(gate.heartbeat_s), "none came through")
    arrow = Arrow("captured", captured, heartbeat, "since a heartbeat")
    return Node("Ledger", "Postgres", _known(state.postgres), facts, arrow)


def _kafka(state: State) -> Node:
    def late(lag: int, per_s: float | None) -> str | None:
        if not lag:
            return "0 s"
        return duration(lag / per_s) if per_s else None

    facts = [("Connect", _connector(state))]
    facts.append(("lag", figure(state.kafka, lambda kafka: number(kafka.lag), "")))
    consumed = figure(state.kafka, lambda kafka: rate(kafka.consumed_per_s), NOT_MEASURED)
    delay = figure(
        state.kafka, lambda kafka: late(kafka.lag, kafka.consumed_per_s), "nothing is consumed"
    )
    arrow = Arrow("consumed", consumed, delay, "lag at this rate")
    return Node("Stream", "Connect and Kafka", _stream_state(state), facts, arrow)


def _consumers(state: State, sums: InLedger | None) -> Node:
    letters = figure(state.dead_letters, lambda found: number(found.waiting), "")
    facts = [("healthy", _count(state, "consumer")), ("dead letters", letters)]
    marked = figure(state.redis, lambda gate: rate(gate.rate.marked_per_s), NOT_MEASURED)
    arrow = Arrow("made final", marked, _sum(state, sums.in_flight if sums else None), "in flight")
    return Node("Consumers", "issue coupons", _state(state, "consumer"), facts, arrow)


def _final(state: State, sums: InLedger | None) -> Node:
    facts = [
        ("issued", _sum(state, sums.issued if sums else None)),
        ("rejected", _sum(state, sums.rejected if sums else None)),
    ]
    return Node("Final", "in the ledger", _known(state.postgres), facts, None)


def _connector(state: State) -> Figure:
    if state.connect is None:
        return Figure("not watched", False)
    return figure(
        state.connect,
        lambda found: found.state.summary.partition(":")[0][:40] if found.state else "missing",
        "",
    )


def _stream_state(state: State) -> str:
    connector = state.connector
    if connector is None:
        return "unknown" if state.connect else _known(state.kafka)
    runs = connector.state is not None and connector.state.is_running
    return _worst(_known(state.kafka), "ok" if runs else "failing")


def _known(reading: Reading[object]) -> str:
    return "ok" if reading.is_known else "unknown"


def _worst(*levels: str) -> str:
    return next((each for each in ("failing", "unknown") if each in levels), "ok")


def _of(state: State, part: str) -> list[Process]:
    return [each for each in state.processes if each.part == part]


def _state(state: State, part: str) -> str:
    healths = [each.health.value for each in _of(state, part)]
    if not healths:
        return "not watched"
    if None in healths:
        return "unknown"
    return "ok" if all(health and health.is_healthy for health in healths) else "failing"


def _count(state: State, part: str) -> Figure:
    healths = [each.health.value for each in _of(state, part)]
    if not healths:
        return Figure("not watched", False)
    well = sum(health is not None and health.is_healthy for health in healths)
    return Figure(f"{well} of {len(healths)}")


def _sum(state: State, value: int | None) -> Figure:
    """A sum over gate and ledger: unknown since the later of the two went missing."""
    if value is not None:
        return Figure(f"{value:,}")
    missing = state.redis if not state.redis.is_known else state.postgres
    return figure(missing, lambda _: None, "unknown")
