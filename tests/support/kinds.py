"""A test's kind is the folder it lies in; `-m gate` selects by it. pyproject.toml names them."""

from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Marks each test with its kind. A folder that is none of the markers is an error."""
    kinds = {line.partition(":")[0] for line in config.getini("markers")}
    for item in items:
        kind = item.path.relative_to(TESTS).parts[0]
        if kind not in kinds:
            raise pytest.UsageError(f"tests/{kind}: add this kind to the markers in pyproject.toml")
        item.add_marker(getattr(pytest.mark, kind))
