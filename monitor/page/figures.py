"""Figures in words: numbers, durations, sizes and times, and what is not known."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, TypeVar

from markupsafe import Markup, escape

from monitor.source import Reading

T = TypeVar("T")

MOST_DUMPED = 256
"""Bytes of a record that are shown."""
_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400


class Figure(NamedTuple):
    """text: the figure, or that it is unknown and since when. why: for what reason; None: none."""

    text: str
    known: bool = True
    why: str | None = None


def figure(reading: Reading[T], show: Callable[[T], str | None], missing: str) -> Figure:
    """What a source says. missing: instead of a figure that the source does not know itself."""
    if reading.value is None:
        return Figure(f"unknown since {clock(reading.since)}", False, reading.why)
    text = show(reading.value)
    return Figure(missing, False) if text is None else Figure(text)


def number(value: int | None) -> str | None:
    """With commas."""
    return None if value is None else f"{value:,}"


def rate(per_s: float | None) -> str | None:
    """A second."""
    if per_s is None:
        return None
    return f"{per_s:,.0f}/s" if per_s >= 10 or not per_s else f"{per_s:.1f}/s"


def duration(seconds: float | None) -> str | None:
    """In the two largest units."""
    if seconds is None:
        return None
    if seconds < 10:
        return f"{seconds:.1f} s"
    rounded = round(seconds)
    if rounded < 2 * _MINUTE:
        return f"{rounded} s"
    if rounded < _HOUR:
        return f"{rounded // _MINUTE} min {rounded % _MINUTE} s"
    if rounded < 2 * _DAY:
        return f"{rounded // _HOUR} h {rounded % _HOUR // _MINUTE} min"
    return f"{rounded // _DAY:,} days"


def oldest(age_s: float | None) -> str | None:
    """The age of the oldest of some things; 0: there is none."""
    return "none" if age_s == 0 else duration(age_s)


def size(count: int | None) -> str | None:
    """Bytes."""
    if count is None:
        return None
    amount, unit = float(count), "B"
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if amount < 1_024 or unit == "TiB":
            break
        amount /= 1_024
    return f"{amount:.0f} {unit}" if unit == "B" or amount >= 100 else f"{amount:.1f} {unit}"


def clock(moment: datetime) -> str:
    """The time of day in UTC."""
    return f"{moment:%H:%M:%S} UTC"


def moment(at: datetime) -> str:
    """Day and time with milliseconds, in UTC."""
    return f"{at:%Y-%m-%d %H:%M:%S}.{at.microsecond // 1_000:03d}"


def moment_ms(at_ms: int) -> str:
    """The same of milliseconds since 1970; a record of others may have any."""
    try:
        return moment(datetime.fromtimestamp(at_ms / 1_000, UTC))
    except (ValueError, OverflowError, OSError):
        return "no time"


def dump(value: bytes | None) -> str:
    """The first bytes in hexadecimal and as text, 16 a line; and how many there are."""
    if value is None:
        return "none"
    lines = []
    for at in range(0, min(len(value), MOST_DUMPED), 16):
        some = value[at : at + 16]
        text = "".join(chr(each) if 32 <= each < 127 else "." for each in some)
        lines.append(f"{at:04x}  {some.hex(' '):<47}  {text}")
    if len(value) > MOST_DUMPED:
        lines.append(f"... and {len(value) - MOST_DUMPED:,} bytes more, of {len(value):,}")
    return "\n".join(lines) or "empty"


def header_text(value: str | bytes | None) -> str:
    """The value of a record's header."""
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def after(delay: timedelta) -> str:
    """A delay between two stages."""
    seconds = delay.total_seconds()
    return f"{seconds * 1_000:.0f} ms" if abs(seconds) < 1 else duration(seconds) or ""


def with_code(text: str) -> Markup:
    """The text, with what stands between backticks as code."""
    parts = text.split("`")
    if len(parts) % 2 == 0:
        return escape(text)
    coded = (_CODE.format(part) if at % 2 else part for at, part in enumerate(parts))
    return Markup("").join(coded)


_CODE = Markup("<code>{}</code>")

FILTERS: dict[str, Callable[..., object]] = {
    "number": number,
    "clock": clock,
    "duration": duration,
    "size": size,
    "moment": moment,
    "moment_ms": moment_ms,
    "dump": dump,
    "header_text": header_text,
}
"""For the templates."""
