"""The table of how soon faults are seen: as Markdown, and in the documentation."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from chaos.drill.detection import Detection
from stack.machine import describe_machine

DOCUMENT = Path(__file__).parents[2] / "docs" / "how-to" / "drill.md"
MARK = "<!-- detection -->\n"
PAGE_SECONDS, DOCTOR_SECONDS, ALERT_SECONDS = 5.0, 5.0, 60.0
"""The limits."""
_HEAD = """| killed | page | what to type, on the page | `coupon doctor` | alert | | load |
| --- | --- | --- | --- | --- | --- | --- |"""


def row(found: Detection) -> str:
    """A line of the table."""
    cells = [
        found.part.name,
        _seconds(found.page_s, PAGE_SECONDS),
        _seconds(found.advice_s, PAGE_SECONDS),
        _seconds(found.doctor_s, DOCTOR_SECONDS),
        _seconds(found.alert_s, ALERT_SECONDS),
        f"`{found.part.alert}`",
        f"{found.load:.1f}",
    ]
    return f"| {' | '.join(cells)} |"


def table(found: Iterable[Detection]) -> str:
    """All lines, and where they were measured."""
    return "\n".join(
        [
            "Seconds from the kill until each names the part; above its limit in bold. One kill of",
            "each part, with all that belongs to it, one after the other, while people claim.",
            "",
            _HEAD,
            *map(row, found),
            "",
            f"Measured on {describe_machine()}.",
        ]
    )


def misses(found: Sequence[Detection]) -> int:
    """How many figures are above their limits."""
    return sum(row(each).count("**") // 2 for each in found)


def save(text: str, document: Path = DOCUMENT) -> None:
    """Write the table between the marks of the document."""
    before, _, after = document.read_text("utf-8").split(MARK)
    document.write_text(MARK.join((before, f"\n{text}\n\n", after)), "utf-8")


def _seconds(seconds: float | None, limit: float) -> str:
    if seconds is None:
        return "-"
    shown = f"{seconds:.1f}"
    return f"**{shown}**" if seconds > limit else shown
