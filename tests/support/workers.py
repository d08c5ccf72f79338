"""Which tests run in the same worker of pytest-xdist, and which are started first.

`make test` has two workers. Tests wait more than they compute, so that two cores do twice as much.
"""

from collections.abc import Sequence
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
LONGEST = ("pipeline on the spare stack", "pipeline on the stack", "faults on the stack")
"""The groups on stacks take longest, so they begin first.

A stack ends when its worker goes on to another folder: two of one folder get a worker each."""
FIRST = ("faults", "compose", "consumer", "model", "pipeline", "losses", "security", "stack")
"""After them the kinds that start Java or containers, or search: what is long must not end last."""
ONE_WORKER = ("compose", "consumer", "losses", "model", "security")
"""The kinds whose tests share servers, or programs, that are expensive to start."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Without workers (`-n 0`) the order stays as it is: by folder.

    First of these hooks: xdist's own writes the groups into the ids of the tests.
    """
    if not config.getoption("numprocesses", None) and not hasattr(config, "workerinput"):
        return
    for item in items:
        item.add_marker(pytest.mark.xdist_group(group_of(item)))
    items.sort(key=_turn)


def group_of(item: pytest.Item) -> str:
    """Tests of one group run one after the other, in one worker.

    Each folder of tests on a shared stack has one.
    """
    kind = _kind(item)
    if _uses_shared_stack(item):
        return f"{kind} on the stack"
    if "spare_stack" in _fixtures(item):
        return f"{kind} on the spare stack"
    return kind if kind in ONE_WORKER else str(item.path.relative_to(TESTS))


def _uses_shared_stack(item: pytest.Item) -> bool:
    # Some modules, and the losses, have one of their own under this name.
    own = _kind(item) in ONE_WORKER or hasattr(getattr(item, "module", None), "stack")
    return "stack" in _fixtures(item) and not own


def _turn(item: pytest.Item) -> tuple[int, int]:
    return _place(group_of(item), LONGEST), _place(_kind(item), FIRST)


def _place(name: str, order: Sequence[str]) -> int:
    return order.index(name) if name in order else len(order)


def _kind(item: pytest.Item) -> str:
    return item.path.relative_to(TESTS).parts[0]


def _fixtures(item: pytest.Item) -> list[str]:
    names: list[str] = getattr(item, "fixturenames", [])
    return names
