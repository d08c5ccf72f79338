"""`-m gate` reads the folder of that kind alone; any other expression leaves out no test."""

from pathlib import Path
from typing import cast

import pytest

from tests.support.kinds import TESTS, pytest_ignore_collect


class _Config:
    def __init__(self, expression: str) -> None:
        self._expression = expression

    def getoption(self, name: str) -> str:
        assert name == "markexpr"
        return self._expression

    def getini(self, name: str) -> list[str]:
        assert name == "markers"
        return ["unit: no server", "gate: with one", "ledger: with another"]


def _read(expression: str, path: Path) -> bool:
    return not pytest_ignore_collect(path, cast(pytest.Config, _Config(expression)))


@pytest.mark.parametrize(
    ("expression", "read"),
    [
        ("gate", {"gate"}),
        ("unit or gate", {"unit", "gate"}),
        ("  unit  or ledger ", {"unit", "ledger"}),
        ("", {"unit", "gate", "ledger"}),
        ("not unit", {"unit", "gate", "ledger"}),
        ("unit and gate", {"unit", "gate", "ledger"}),
        ("gate or slow", {"unit", "gate", "ledger"}),
    ],
)
def test_only_folders_of_kinds_that_are_not_asked_for_are_left_out(
    expression: str, read: set[str]
) -> None:
    assert {kind for kind in ("unit", "gate", "ledger") if _read(expression, TESTS / kind)} == read
    assert _read(expression, TESTS / "support")
    assert _read(expression, TESTS / "gate" / "unit") is True
