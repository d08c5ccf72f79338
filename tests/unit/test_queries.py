"""Queries live in SQL files: each name that the code uses is there."""

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
