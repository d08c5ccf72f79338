"""Pieces of Markdown that several generated pages have."""

import textwrap
from collections.abc import Iterable, Sequence

COLUMNS = 100


def paragraph(text: str) -> str:
    """A paragraph in lines of at most 100 columns."""
    return textwrap.fill(" ".join(text.split()), COLUMNS, break_on_hyphens=False) + "\n"


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table; a bar in a cell is escaped."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(_cell(each) for each in line)} |\n" for line in lines)


def _cell(value: object) -> str:
    return " ".join(str(value).split()).replace("|", "\\|")
