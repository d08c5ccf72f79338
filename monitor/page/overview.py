"""What the overview answers: is it healthy, how far behind, when is it done."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from monitor.page.diagnosis import Diagnosis
from monitor.page.figures import Figure, clock, duration, figure, number, oldest
from monitor.page.pipeline import Node, draw
from monitor.source import Reading
from monitor.state import LiveCoupon, State

MOST_COUPONS = 20
NAMES = {
    "postgres": "Postgres",
    "redis": "Redis",
    "kafka": "Kafka",
    "connect": "Kafka Connect",
    "dead-letters": "Dead letters",
    "disks": "Disks",
    "api": "API",
    "consumer": "Consumer",
    "reconciler": "Reconciler",
    "schema-registry": "Schema registry",
}


class Verdict(NamedTuple):
    """level: ok, warning, failing or unknown. lines: what it rests on, the worst first."""

    level: str
    says: str
    lines: list[str]


class Part(NamedTuple):
    """A server or a process. state: ok, failing or unknown. says: why; short: it in a line."""

    name: str
    address: str
    state: str
    says: str
    short: str


class Answer(NamedTuple):
    """One of the large figures."""

    question: str
    figure: Figure
    more: str


class Overview(NamedTuple):
    """Everything that the page shows. at: when it was gathered."""

    at: datetime
    verdict: Verdict
    answers: list[Answer]
    pipeline: list[Node]
    parts: list[Part]
    coupons: list[LiveCoupon]
    live: int | None
    diagnosis: Diagnosis | None


def overview(state: State, diagnosis: Diagnosis | None) -> Overview:
    """The overview of a state. diagnosis: None: the doctor has not finished yet."""
    parts = list(_parts(state))
    ledger = state.postgres.value
    return Overview(
        state.taken_at,
        _verdict(state, parts, diagnosis),
        [_behind(state), _oldest(state), _done(state)],
        draw(state),
        parts,
        state.live[:MOST_COUPONS],
        ledger.live if ledger else None,
        diagnosis,
    )


def not_well(state: State) -> frozenset[str]:
    """The parts that are not: what the doctor finds depends on them."""
    return frozenset(f"{each.name} {each.address}" for each in _parts(state) if each.state != "ok")


def _behind(state: State) -> Answer:
    lag = figure(state.kafka, lambda kafka: number(kafka.lag), "not known")
    more = "records in Kafka that no consumer has handled"
    sums = state.in_ledger
    if sums is not None and sums.in_flight is not None:
        more += f"; {sums.in_flight:,} accepted requests are not final"
    return Answer("How far behind?", lag, more)


def _oldest(state: State) -> Answer:
    waits = figure(
        state.redis, lambda gate: oldest(gate.oldest_s), "unknown: a coupon is unavailable"
    )
    return Answer("Oldest request", waits, "since it was admitted and is not final")


def _done(state: State) -> Answer:
    if _is_stopped(state):
        stopped = Figure("cannot be estimated: the connector does not run", False)
        return Answer("When is it done?", stopped, "accepted requests wait in Postgres")

    def when(seconds: float | None, lag: int) -> str | None:
        if not lag:
            return "now"
        return None if seconds is None else f"in {duration(seconds)}"

    done = figure(
        state.kafka,
        lambda kafka: when(kafka.catch_up_s, kafka.lag),
        "cannot be estimated: the lag does not shrink",
    )
    kafka = state.kafka.value
    more = "at the present rates"
    if kafka is not None and not kafka.lag:
        more = "every record is handled"
    elif kafka is not None and kafka.catch_up_s is not None:
        at = state.taken_at + timedelta(seconds=min(kafka.catch_up_s, 10**8))
        more = f"at {clock(at)}, at the present rates"
    return Answer("When is it done?", done, more)


def _parts(state: State) -> Iterator[Part]:
    for name, source in state.sources.items():
        yield _part(NAMES[name], state.addresses.get(name, ""), source)
    for each in state.processes:
        health, name = each.health.value, NAMES[each.part]
        if health is None or health.is_healthy:
            yield _part(name, each.address, each.health)
        else:
            says = health.says or "it says that it is not healthy"
            yield Part(name, each.address, "failing", says, says)


def _part(name: str, address: str, reading: Reading[object]) -> Part:
    if reading.is_known:
        return Part(name, address, "ok", "", "")
    since = f"unknown since {clock(reading.since)}"
    return Part(name, address, "unknown", f"{since}: {reading.why}", since)


def _headline(bad: list[Part]) -> str:
    if not bad:
        return "Something is failing"
    first, more = bad[0], len(bad) - 1
    says = "is not healthy" if first.state == "failing" else "cannot be read"
    others = f"; {more} more {'is' if more == 1 else 'are'} not well" if more else ""
    return f"{first.name} {says}{others}"


def _verdict(state: State, parts: list[Part], diagnosis: Diagnosis | None) -> Verdict:
    bad = [each for each in parts if each.state != "ok"]
    lines = [f"{each.name} {each.address}".rstrip() + f": {each.short}" for each in bad]
    lines += _wrong(state)
    failing = diagnosis is not None and diagnosis.is_failing
    if lines or failing:
        return Verdict("failing", _headline(bad), lines or [diagnosis.verdict if diagnosis else ""])
    if diagnosis is None:
        return Verdict("unknown", "All parts answer", ["The doctor has not finished yet."])
    if not diagnosis.is_complete:
        return Verdict("unknown", "All parts answer; not all is checked", [diagnosis.verdict])
    attention = [each.says for each in diagnosis.to_act_on if each.level == "warning"]
    letters = state.dead_letters.value
    if letters and letters.waiting:
        attention.insert(0, f"{letters.waiting:,} dead letters are open.")
    if attention:
        return Verdict("warning", "It works, and needs attention", attention[:3])
    return Verdict("ok", "Healthy", ["Every part answers, and the doctor found nothing wrong."])


def _is_stopped(state: State) -> bool:
    """Whether nothing reaches Kafka: then no lag is no sign that all is handled."""
    found = state.connector
    return found is not None and not (found.state and found.state.is_running)


def _wrong(state: State) -> Iterator[str]:
    """What is broken although every part answers."""
    connector, ledger = state.connector, state.postgres.value
    if connector is not None and _is_stopped(state):
        says = connector.state.summary[:200] if connector.state else "missing"
        yield f"The connector does not run: {says}"
    if ledger is not None and (ledger.slot.is_lost or not ledger.slot.exists):
        yield "The replication slot is missing or lost."
    if state.limit_reached:
        yield "A consumer stopped at the dead-letter limit."
