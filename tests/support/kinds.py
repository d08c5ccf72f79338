"""A test's kind is the folder it lies in; `-m gate` selects by it. pyproject.toml names them."""

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """With `-m "unit or gate"` no other folder is read: each worker would read them all."""
    named = set(re.split(r"\s+or\s+", config.getoption("markexpr").strip()))
    kinds = _kinds(config)
    if not named <= kinds or collection_path.parent != TESTS:
        return None
    return (collection_path.name in kinds - named) or None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Marks each test with its kind. A folder that is none of the markers is an error."""
    kinds = _kinds(config)
    for item in items:
        kind = item.path.relative_to(TESTS).parts[0]
        if kind not in kinds:
            raise pytest.UsageError(f"tests/{kind}: add this kind to the markers in pyproject.toml")
        item.add_marker(getattr(pytest.mark, kind))


def _kinds(config: pytest.Config) -> set[str]:
    return {line.partition(":")[0] for line in config.getini("markers")}
