"""Which tests run in the same worker of pytest-xdist, and which are started first.

`make test` has two workers. Tests wait more than they compute, so that two cores do twice as much.
"""

from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
FIRST = ("faults", "pipeline", "compose", "losses", "stack", "security", "consumer")
"""The kinds that start Java or containers: what takes longest must not be begun last."""
ONE_WORKER = ("compose", "consumer", "losses", "model", "security")
"""The kinds whose tests share servers, or programs, that are expensive to start."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Without workers (`-n 0`) the order stays as it is: by folder."""
    if not config.getoption("numprocesses", None) and not hasattr(config, "workerinput"):
        return
    for item in items:
        item.add_marker(pytest.mark.xdist_group(group_of(item)))
    items.sort(key=_turn)


def group_of(item: pytest.Item) -> str:
    """Tests of one group run one after the other, in one worker."""
    if _uses_shared_stack(item):
        return "stack"
    if "spare_stack" in getattr(item, "fixturenames", ()):
        return "spare_stack"
    folder, *_ = item.path.relative_to(TESTS).parts
    return folder if folder in ONE_WORKER else str(item.path.relative_to(TESTS))


def _uses_shared_stack(item: pytest.Item) -> bool:
    folder, *_ = item.path.relative_to(TESTS).parts
    own = folder in ONE_WORKER or hasattr(getattr(item, "module", None), "stack")
    return "stack" in getattr(item, "fixturenames", ()) and not own


def _turn(item: pytest.Item) -> tuple[bool, int]:
    folder, *_ = item.path.relative_to(TESTS).parts
    return not _uses_shared_stack(item), FIRST.index(folder) if folder in FIRST else len(FIRST)
