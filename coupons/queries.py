"""Named queries from sql/queries: SQL stays in SQL files, Python uses names."""

import re
from functools import cache
from pathlib import Path

SQL_FOLDER = Path(__file__).resolve().parent.parent / "sql"

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


@cache
def _queries() -> dict[str, str]:
    found: dict[str, str] = {}
    for file in sorted((SQL_FOLDER / "queries").glob("*.sql")):
        parts = _NAME.split(file.read_text())
        for name, text in zip(parts[1::2], parts[2::2], strict=True):
            if name in found:
                raise ValueError(f"query {name} is defined twice, the second time in {file}")
            found[name] = "\n".join(
                line for line in text.strip().rstrip(";").splitlines() if not line.startswith("--")
            )
    return found


def query(name: str) -> bytes:
    """The text of the query called `name`, for psycopg. Raises KeyError."""
    return _queries()[name].encode()
