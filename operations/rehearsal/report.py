"""The report of a rehearsal: one page of Markdown, or one JSON document. Each number has a source.

What was not measured, but computed from it, is called extrapolated.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from coupons.gate.delays import percentile
from operations.rehearsal.limits import Limit, first_limit
from operations.rehearsal.run import Measured
from operations.rehearsal.sizing import (
    BUSY,
    CLAIMS_A_WORKER,
    EVENTS_A_CONSUMER,
    Cost,
    Needed,
    cost,
    needed,
)

_PROCESSES = "the system's clock of each process, on this machine"
_ELSEWHERE = "process_cpu_seconds_total of the consumers; other parts run elsewhere"


class Report(NamedTuple):
    """What was measured, and what follows for `wanted` claims a second."""

    found: Measured
    limit: Limit
    api: Cost
    consumer: Cost
    wanted: Needed

    @property
    def rate(self) -> float:
        """Answers a second, on average."""
        answered = sum(self.found.answers.by_second.values())
        return answered / max(self.found.answers.seconds, 0.001)

    @property
    def peak(self) -> int:
        """Answers in the best second."""
        return max(self.found.answers.by_second.values(), default=0)


def report_of(found: Measured, wanted: float) -> Report:
    """wanted: claims a second that the system shall take."""
    rate = len(found.answers.answered_ms) / max(found.answers.seconds, 0.001)
    by_part = {each.part: each.cores for each in found.busy}
    consumers = [cores for part, cores in by_part.items() if part.startswith("consumer")]
    api = cost(by_part.get("api"), rate, CLAIMS_A_WORKER)
    consumer = cost(sum(consumers) if consumers else None, rate, EVENTS_A_CONSUMER)
    return Report(found, first_limit(found), api, consumer, needed(wanted, api, consumer))


def as_json(report: Report) -> dict[str, Any]:
    """Numbers and no sentences, but for the limit."""
    found, limit = report.found, report.limit
    answers, samples = found.answers, found.samples
    return {
        "coupon_id": found.coupon_id,
        "asked": found.size._asdict(),
        "answers": dict(answers.kinds),
        "answers_per_second": round(report.rate, 1),
        "peak_per_second": report.peak,
        "answer_ms": _percentiles(answers.answered_ms),
        "sent_late_ms": _percentiles(answers.late_ms),
        "issued_ms": _percentiles(found.delays_ms),
        "marks_heard": len(found.delays_ms),
        "settling_seconds": round(found.settling_s, 2),
        "ledger": found.counts._asdict(),
        "highest_lag": max((each.lag for each in samples), default=None),
        "redis_bytes": [samples[0].redis_bytes, max(each.redis_bytes for each in samples)]
        if samples
        else None,
        "redis_cores": round(found.redis_core, 3),
        "wal_bytes": found.wal_bytes,
        "batch_claims": found.batch_claims,
        "batch_events": found.batch_events,
        "busy": [each._asdict() for each in found.busy],
        "generator_cores": round(found.generator_cores, 3),
        "machine_busy": found.machine_busy,
        "limit": limit._asdict(),
        "needed": {
            **report.wanted._asdict(),
            "api_core_seconds": report.api._asdict(),
            "consumer_core_seconds": report.consumer._asdict(),
        },
    }


def as_markdown(report: Report) -> str:
    """One page."""
    found = report.found
    lines = [
        f"# Rehearsal {found.coupon_id}",
        "",
        f"{found.size.rate:g} claims a second for {found.size.seconds:g} seconds, by"
        f" {found.size.users:,} synthetic users, for a stock of {found.size.quantity:,}.",
        "",
        *_table("what", "measured", "from", rows=_measured(report)),
        "",
        "## Answers",
        "",
        *_table("answer", "claims", rows=sorted(_counted(found))),
        "",
        "## What was busy",
        "",
        *_busy(found),
        "",
        "## What breaks first",
        "",
        *_limit(report.limit),
        "",
        f"## For {report.wanted.rate:g} claims a second",
        "",
        *_table("set", "to", "from", rows=_needed(report)),
        "",
        "Workers and consumers are extrapolated: from this rate to that one, as if each claim cost"
        f" as much there, with {BUSY:.0%} of a core in use at most. Larger batches make it less,"
        " other machines another number. Rehearse at that rate to know.",
        "",
    ]
    return "\n".join(lines)


def _measured(report: Report) -> Iterator[tuple[str, str, str]]:
    found = report.found
    answers, samples = found.answers, found.samples
    yield "answers a second", f"{report.rate:,.0f}, peak {report.peak:,}", "this command"
    yield "answer, p50 / p99", _pair(answers.answered_ms), "this command, since a claim was due"
    yield "sent late, p50 / p99", _pair(answers.late_ms), "this command"
    yield "request to final, p50 / p99", _pair(found.delays_ms), "marks of the gate, heard here"
    heard = f"{len(found.delays_ms):,} of {answers.accepted:,} in {found.settling_s:.1f} s"
    if unheard := max(0, answers.accepted - len(found.delays_ms)):
        heard += f"; {unheard:,} marks were not heard"
    yield "final after the last answer", heard, "marks of the gate, heard here"
    counts = found.counts
    booked = f"{counts.accepted:,} = {counts.issued:,} + {counts.rejected:,} + {counts.in_flight:,}"
    yield "accepted = issued + rejected + in flight", booked, "rows in Postgres"
    if samples:
        lag = max(each.lag for each in samples)
        yield "highest lag", f"{lag:,} records", f"offsets in Kafka, {len(samples)} readings"
        first, most = samples[0].redis_bytes, max(each.redis_bytes for each in samples)
        memory = f"{first / 2**20:.1f} MiB, then {most / 2**20:.1f} MiB"
        yield "memory of Redis", memory, "INFO memory, all that it holds"
    wal = f"{found.wal_bytes / 2**20:.1f} MiB"
    if answers.accepted:
        wal += f", {found.wal_bytes / answers.accepted:,.0f} bytes a request"
    yield "WAL", wal, "Postgres' position, of all that was written"
    if found.batch_claims is not None:
        yield "claims in a batch", f"{found.batch_claims:.1f}", "metrics of the API"
    if found.batch_events is not None:
        yield "events in a batch", f"{found.batch_events:.1f}", "metrics of the consumers"


def _counted(found: Measured) -> Iterator[tuple[str, str]]:
    for kind, number in found.answers.kinds.items():
        yield kind, f"{number:,}"


def _busy(found: Measured) -> Iterator[str]:
    rows = [(each.part, f"{each.cores:.0%}", f"{each.busiest:.0%}") for each in found.busy]
    rows.append(("Redis, by its own count", f"{found.redis_core:.0%}", f"{found.redis_core:.0%}"))
    rows.append(("this command", f"{found.generator_cores:.0%}", f"{found.generator_cores:.0%}"))
    yield from _table("part", "of a core", "its busiest process", rows=rows)
    yield ""
    yield f"From {_PROCESSES if found.cores else _ELSEWHERE}."
    if found.machine_busy is not None:
        yield f"The {found.cores} cores of this machine were busy for {found.machine_busy:.0%}."


def _limit(limit: Limit) -> Iterator[str]:
    yield f"**{limit.what}**: {limit.says}."
    if limit.at is not None:
        yield f"It would be full at about {limit.at:,.0f} claims a second (extrapolated)."
    yield f"To do: {limit.do}."


def _needed(report: Report) -> Iterator[tuple[str, str, str]]:
    wanted = report.wanted
    yield "workers of the API, in all", str(wanted.workers), report.api.source
    yield "consumers", str(wanted.consumers), report.consumer.source
    now = f"one each consumer, at least 10; there are {report.found.partitions} now"
    yield "partitions", str(wanted.partitions), now


def _table(*heads: str, rows: Any) -> Iterator[str]:
    yield f"| {' | '.join(heads)} |"
    yield f"|{' --- |' * len(heads)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def _pair(values_ms: list[float]) -> str:
    p50, p99 = percentile(values_ms, 50), percentile(values_ms, 99)
    return "none" if p50 is None or p99 is None else f"{p50:,.1f} / {p99:,.1f} ms"


def _percentiles(values_ms: list[float]) -> dict[str, float | None]:
    return {"p50": percentile(values_ms, 50), "p99": percentile(values_ms, 99)}
