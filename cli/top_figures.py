"""The figures of `coupon top` as text, in blocks. A figure that is not known says since when."""

from datetime import datetime
from typing import Any, NamedTuple

from rich.text import Text

from operations.top.reading import Document

_MIB = 2**20
_GOOD, _WARN, _BAD, _UNKNOWN = "green", "yellow", "red", "magenta"


class Block(NamedTuple):
    """rows: label and figure."""

    title: str
    rows: list[tuple[str, Text]]


def clock(moment: str | datetime) -> str:
    """The time of day on this machine's clock. moment: RFC 3339, if it is text."""
    at = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    return f"{at.astimezone():%H:%M:%S}"


def printable(text: object) -> str:
    """Without control characters: a name of a coupon or an error may hold anything."""
    return "".join(each if each.isprintable() else "?" for each in str(text))


def duration(seconds: float) -> str:
    """In the unit that suits it: seconds, minutes or hours."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes, hours = round(seconds / 60), seconds / 3600
    return f"{minutes} min" if minutes < 120 else f"{hours:,.0f} h"


def blocks(state: Document) -> list[Block]:
    """Every figure except servers, processes and coupons."""
    return [
        Block("STREAM", _stream(state)),
        Block("REQUESTS", _requests(state)),
        Block("DELAY", _delays(state)),
        Block("GATE", _gate(state)),
        Block("CONNECTOR", _connector(state)),
        Block("DEAD LETTERS, DISK", [*_dead_letters(state), *_disks(state)]),
    ]


class _Figures:
    """The figures of one part of the state. sources: those that all of them come from."""

    def __init__(self, state: Document, key: str, *sources: str) -> None:
        self._figures: dict[str, Any] | None = state[key]
        sources_read = state["sources"]
        self.unknown = _unknown([sources_read[name] for name in sources if name in sources_read])

    def get(self, name: str) -> Any:
        """None: not known."""
        return self._figures and self._figures.get(name)

    def shown(self, name: str, form: str = "{:,}", style: str = "") -> Text:
        value = self.get(name)
        return self.unknown if value is None else Text(form.format(value), style)

    def age(self, name: str) -> Text:
        seconds = self.get(name)
        return self.unknown if seconds is None else Text(duration(seconds))


def _stream(state: Document) -> list[tuple[str, Text]]:
    kafka = _Figures(state, "pipeline", "kafka")
    lag, wait_s = kafka.get("lag"), _wait_in_kafka_s(kafka)
    behind = kafka.shown("lag", "{:,} records")
    if lag and wait_s is not None:
        behind = Text(f"{lag:,} records, {duration(wait_s)}", _WARN)
    return [
        ("captured", _rate(kafka, "captured_per_second")),
        ("consumed", _rate(kafka, "consumed_per_second")),
        ("lag", behind),
        ("caught up", _caught_up(kafka, state["connector"])),
    ]


def _rate(kafka: _Figures, name: str) -> Text:
    if kafka.get("lag") is not None and kafka.get(name) is None:
        return Text("after the next reading", "dim")
    return kafka.shown(name, "{:,.1f} events/s")


def _caught_up(kafka: _Figures, connector: dict[str, Any] | None) -> Text:
    """Without the connector nothing reaches Kafka: no lag is no sign that all is handled."""
    lag, seconds = kafka.get("lag"), kafka.get("catch_up_seconds")
    if lag is None:
        return kafka.unknown
    if connector is not None and not connector["running"]:
        return Text("no: connector stopped", _BAD)
    if not lag:
        return Text("now", _GOOD)
    if seconds is None:
        return Text("no: it does not shrink", _WARN)
    return Text(f"in {duration(seconds)}", _WARN)


def _wait_in_kafka_s(kafka: _Figures) -> float | None:
    """How long the newest event waits for a consumer at the present rate; None: not known."""
    lag, rate = kafka.get("lag"), kafka.get("consumed_per_second")
    if lag == 0:
        return 0.0
    return lag / rate if lag and rate else None


def _requests(state: Document) -> list[tuple[str, Text]]:
    ledger = _Figures(state, "ledger", "postgres")
    # These also count the pending requests at the gate.
    both = _Figures(state, "ledger", "postgres", "redis")
    return [
        ("accepted", both.shown("accepted")),
        ("issued", ledger.shown("issued")),
        ("rejected", ledger.shown("rejected")),
        ("in flight", both.shown("in_flight")),
    ]


def _delays(state: Document) -> list[tuple[str, Text]]:
    gate, kafka = _Figures(state, "gate", "redis"), _Figures(state, "pipeline", "kafka")
    wait_s = _wait_in_kafka_s(kafka)
    waits = kafka.unknown if wait_s is None else Text(duration(wait_s))
    if wait_s is None and kafka.get("lag"):
        waits = Text("nothing is consumed", _WARN)
    return [
        ("oldest request", gate.age("oldest_request_seconds")),
        ("row to consumer", gate.age("heartbeat_age_seconds")),
        ("Kafka to issued", waits),
    ]


def _gate(state: Document) -> list[tuple[str, Text]]:
    gate = _Figures(state, "gate", "redis", "postgres")
    redis = _Figures(state, "gate", "redis")
    counts = {name: count for name, count in (gate.get("coupons") or {}).items() if count}
    counts = dict(sorted(counts.items(), key=lambda each: each[0] != "unavailable"))
    shown = ", ".join(f"{count:,} {name}" for name, count in counts.items()) or "none is live"
    known = gate.get("coupons") is not None
    drift = gate.get("drift")
    coupons = Text(shown, _BAD if "unavailable" in counts else "") if known else gate.unknown
    return [
        ("coupons", coupons),
        ("memory", _memory(redis)),
        ("drift", gate.shown("drift", "{:,} requests", _BAD if drift else "")),
    ]


def _memory(redis: _Figures) -> Text:
    used, limit = redis.get("memory_bytes"), redis.get("memory_limit_bytes")
    if used is None:
        return redis.unknown
    return Text(_bytes(used, limit), _WARN if limit and used > 0.8 * limit else "")


def _connector(state: Document) -> list[tuple[str, Text]]:
    connect = _Figures(state, "connector", "connect")
    slot = _Figures(state, "slot", "postgres")
    running = connect.get("running")
    says = printable(connect.get("state"))
    connector = connect.unknown if running is None else Text(says, _GOOD if running else _BAD)
    return [
        ("connector", connector),
        ("slot", _slot(slot)),
        ("WAL kept", _wal(slot)),
    ]


def _slot(slot: _Figures) -> Text:
    if slot.get("active") is None:
        return slot.unknown
    if slot.get("lost"):
        return Text("lost", _BAD)
    return Text("active", _GOOD) if slot.get("active") else Text("inactive", _BAD)


def _wal(slot: _Figures) -> Text:
    kept, limit = slot.get("kept_bytes"), slot.get("limit_bytes")
    if kept is None:
        return slot.unknown
    return Text(_bytes(kept, limit), _WARN if limit and kept > 0.5 * limit else "")


def _dead_letters(state: Document) -> list[tuple[str, Text]]:
    letters = _Figures(state, "dead_letters", "dead-letters")
    waiting, reached = letters.get("open"), state["dead_letter_limit_reached"]
    consumers = [each for each in state["processes"] if each["part"] == "consumer"]
    limit = Text("reached: stopped", _BAD) if reached else Text("not reached")
    if reached is None:
        limit = _unknown(consumers)
    return [
        ("open", letters.shown("open", style=_WARN if waiting else "")),
        ("limit", limit),
    ]


def _disks(state: Document) -> list[tuple[str, Text]]:
    """The fullest disk."""
    disks = _Figures(state, "disks", "disks")
    watched = (state["disks"] or {}).items()
    if not watched:
        return [("free", disks.unknown)]
    part, disk = min(watched, key=lambda each: each[1]["free"])
    low = disk["free"] < 0.1 * disk["size"]
    free = f"{disk['free'] / 2**30:,.1f} GiB, {printable(part)}"
    return [("free", Text(free, _WARN if low else ""))]


def _unknown(readings: list[dict[str, Any]]) -> Text:
    """For a figure that comes from all of these sources or processes."""
    if not readings:
        return Text("not watched", "dim")
    since = [each["unknown_since"] for each in readings if not each["known"]]
    return Text(f"unknown since {clock(min(since))}" if since else "unknown", _UNKNOWN)


def _bytes(used: int, limit: int | None) -> str:
    of = f" of {limit / _MIB:,.0f}" if limit and limit > 0 else ""
    return f"{used / _MIB:,.1f}{of} MiB"
