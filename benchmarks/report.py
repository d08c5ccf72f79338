"""The results as Markdown: printed, and kept in benchmarks/results."""

import re
import statistics
from collections.abc import Sequence
from pathlib import Path

from benchmarks.backlog import Backlog, Drained
from benchmarks.claiming import Compared, Delay, FullLoad
from benchmarks.gate_memory import Memory
from benchmarks.poison import Poison
from benchmarks.rebuild import Rebuild

RESULTS = Path(__file__).parent / "results"
DOCUMENT = Path(__file__).parents[1] / "docs" / "reference" / "benchmarks.md"


class Report:
    """Lines of Markdown that are printed as they come."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def add(self, *lines: str) -> None:
        """Print and keep some lines, and an empty one."""
        for line in (*lines, ""):
            print(line, flush=True)
            self._lines.append(line)

    def table(self, head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Print and keep a table."""
        self.add(
            "| " + " | ".join(head) + " |",
            "| " + " | ".join("---" for _ in head) + " |",
            *("| " + " | ".join(str(cell) for cell in row) + " |" for row in rows),
        )

    def save(self, name: str, folder: Path = RESULTS) -> Path:
        """Write what was kept to NAME.md, and what is in RESULTS into the document about it too."""
        folder.mkdir(exist_ok=True)
        path = folder / f"{name}.md"
        text = "\n".join(self._lines).rstrip() + "\n"
        path.write_text(text, "utf-8")
        if folder == RESULTS:
            DOCUMENT.write_text(with_results(DOCUMENT.read_text("utf-8"), name, text), "utf-8")
        return path


def with_results(document: str, name: str, results: str) -> str:
    """The document with these results between its two marks `<!-- NAME -->`, headings lowered."""
    mark = f"<!-- {name} -->\n"
    before, _, after = document.split(mark)
    return mark.join((before, re.sub("^#", "###", results, flags=re.MULTILINE), after))


def compared_rows(name_a: str, name_b: str, found: Compared) -> list[list[object]]:
    """A row each for A and B, with the median and the spread, and the ratio."""
    return [
        [name, f"{statistics.median(rates):,.0f}", f"{min(rates):,.0f} to {max(rates):,.0f}", ratio]
        for name, rates, ratio in (
            (name_a, found.a, f"**{found.ratio:.2f}**"),
            (name_b, found.b, "1"),
        )
    ]


def delay_rows(found: Sequence[Delay]) -> list[list[object]]:
    """A row a rate."""
    return [
        [
            f"{each.rate:,.0f}",
            f"{each.answered:,}",
            f"{each.p50_ms:.0f}",
            f"{each.p99_ms:.0f}",
            f"{each.http_p50_ms:.1f}",
            f"{each.http_p99_ms:.1f}",
        ]
        for each in found
    ]


def full_load_rows(found: Sequence[FullLoad]) -> list[list[object]]:
    """A row a generator."""
    return [
        [
            each.generator,
            f"{each.accepted_per_s:,.0f}",
            f"{each.issued_per_s:,.0f}",
            f"{each.left_at_end:,} in {each.drained_in_s:.1f} s",
            f"{each.p50_ms:.0f}",
            f"{each.p99_ms:.0f}",
            "-" if each.http_p99_ms is None else f"{each.http_p99_ms:.0f}",
        ]
        for each in found
    ]


def backlog_rows(found: Backlog) -> list[list[object]]:
    """One row."""
    return [
        [
            f"{found.events:,}",
            f"{found.events_per_s:,.0f}",
            f"{found.resident_mib:.0f}",
            f"{found.streamed_per_s:,.0f}",
        ]
    ]


def poison_rows(found: Poison) -> list[list[object]]:
    """A row each without and with the poison record."""
    clean = statistics.median(found.clean_ms)
    return [
        [name, f"{median:.0f}", f"{min(times):.0f} to {max(times):.0f}", added]
        for name, times, median, added in (
            ("all can be issued", found.clean_ms, clean, "-"),
            (
                "one violates a constraint",
                found.poisoned_ms,
                statistics.median(found.poisoned_ms),
                f"**{statistics.median(found.poisoned_ms) - clean:.0f}**",
            ),
        )
    ]


def drain_rows(found: Drained) -> list[list[object]]:
    """One row."""
    return [
        [
            f"{found.rows:,}",
            f"{found.rows_per_s:,.0f}",
            f"{found.start_seconds:.1f}",
            f"{found.in_all_seconds:.1f}",
        ]
    ]


def memory_rows(found: Sequence[Memory]) -> list[list[object]]:
    """A row a kind of ids."""
    return [
        [each.ids, f"{each.users:,}", f"{each.used:.1f}", f"{each.resident:.1f}"] for each in found
    ]


def rebuild_rows(found: Sequence[Rebuild]) -> list[list[object]]:
    """A row a round."""
    return [
        [
            f"{each.requests:,}",
            f"{each.seconds:.1f}",
            f"{each.rows_per_s:,.0f}",
            f"{each.peak_mib:.0f}",
            f"{each.idle_mib:.0f}",
        ]
        for each in found
    ]
