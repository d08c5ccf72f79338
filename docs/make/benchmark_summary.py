"""The table at the top of the page of benchmarks, from the results of the last full run."""

import re
from pathlib import Path

from docs.make.markdown import table

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reference" / "benchmarks.md"
RESULTS = ROOT / "benchmarks" / "results"
MARK = "<!-- summary -->\n"
DESIGNS = {
    "cdc": "**this project**: change data capture",
    "outbox": "transactional outbox",
    "redis_kafka": "Redis, then Kafka",
    "redis_queue": "Redis queue and worker",
}


def render() -> str:
    """The page, with the table between its two marks."""
    before, _, after = PAGE.read_text("utf-8").split(MARK)
    return MARK.join((before, summary((RESULTS / "designs.md").read_text("utf-8")), after))


def charts() -> dict[str, str]:
    """The charts of the last full run, by their paths below docs/."""
    return {
        f"figures/benchmarks/{file.name}": file.read_text("utf-8")
        for file in sorted(RESULTS.glob("*.svg"))
    }


def summary(results: str) -> str:
    """One row a design: speed, delay, what a fault cost, and processor time."""
    speed = _rows(results, "## 100 connections:")
    delays = _columns(results, "## Open loop:", "1,000")
    seconds = _columns(results, "100 connections, no think time\n", "together")
    lost = _lost(results)
    rows = [
        (
            text,
            speed[name][0].partition(" (")[0],
            delays[name],
            seconds[name].strip("*"),
            lost[name],
        )
        for name, text in DESIGNS.items()
    ]
    head = ["design", "claims/s", "delay p50 / p99, ms", "processor time, s", "accepted and lost"]
    return "\n" + table(head, rows) + "\n"


def _table(results: str, heading: str) -> list[list[str]]:
    found = re.search(r"(?:^\|.*\n)+", results.partition(heading)[2], re.MULTILINE)
    assert found is not None, heading
    lines = found[0].splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def _rows(results: str, heading: str) -> dict[str, list[str]]:
    return {first: rest for first, *rest in _table(results, heading)}


def _columns(results: str, heading: str, row: str) -> dict[str, str]:
    rows = _rows(results, heading)
    [names] = [rest for first, rest in rows.items() if first in ("claims/s", "process")]
    return dict(zip(names, rows[row], strict=True))


def _lost(results: str) -> dict[str, str]:
    found: dict[str, list[str]] = {name: [] for name in DESIGNS}
    for design, fault, _, _, _, lost, *_ in _table(results, "## Faults in the middle")[2:]:
        if lost != "**0**":
            found[design].append(f"{lost.strip('*')} ({fault})")
    return {name: ", ".join(texts) or "0" for name, texts in found.items()}
