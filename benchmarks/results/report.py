"""A report in Markdown: printed, and stored in benchmarks/results and in the documentation."""

import re
from collections.abc import Sequence
from pathlib import Path

RESULTS = Path(__file__).parent
DOCUMENT = Path(__file__).parents[2] / "docs" / "reference" / "benchmarks.md"


class Report:
    """Lines of Markdown, printed at once and kept."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def add(self, *lines: str) -> None:
        """Print and keep these lines and an empty one."""
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
        """Write the lines to NAME.md; for the stored results (RESULTS), update the document too."""
        folder.mkdir(exist_ok=True)
        path = folder / f"{name}.md"
        text = "\n".join(self._lines).rstrip() + "\n"
        path.write_text(text, "utf-8")
        if folder == RESULTS:
            DOCUMENT.write_text(with_results(DOCUMENT.read_text("utf-8"), name, text), "utf-8")
        return path


def with_results(document: str, name: str, results: str) -> str:
    """The document with these results between its two `<!-- NAME -->`, headings two levels down."""
    mark = f"<!-- {name} -->\n"
    before, _, after = document.split(mark)
    return mark.join((before, re.sub("^#", "###", results, flags=re.MULTILINE), after))
