"""SQL files: each query that the code names is there, and no migration prints what it reads."""

import re
from pathlib import Path

import pytest

from coupons.queries import query

ROOT = Path(__file__).parents[2]
FOLDERS = ("api", "cdc_consumer", "connectors", "coupons", "monitor", "operations", "reconciler")
USED = {
    name
    for folder in FOLDERS
    for file in (ROOT / folder).rglob("*.py")
    for name in re.findall(r'\bquery\(\s*"(\w+)"', file.read_text("utf-8"))
}


@pytest.mark.parametrize("name", sorted(USED))
def test_a_query_that_the_code_names_is_there(name: str) -> None:
    assert query(name)


MIGRATIONS = sorted((ROOT / "sql" / "migrations").glob("*.sql"))


@pytest.mark.parametrize("migration", MIGRATIONS, ids=lambda path: path.stem)
def test_no_statement_of_a_migration_returns_rows(migration: Path) -> None:
    """They would be printed, before the JSON that `coupon up --json` promises."""
    text = re.sub(r"--[^\n]*", "", migration.read_text("utf-8"))
    text = re.sub(r"(\$\w*\$).*?\1", "", text, flags=re.DOTALL)
    statements = [statement.split() for statement in text.split(";") if statement.strip()]
    assert [each for each in statements if each[0] in {"SELECT", "VALUES", "TABLE"}] == []
