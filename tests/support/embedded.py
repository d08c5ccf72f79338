"""The whole embedded stack."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from stack.disposable import DisposableStack, disposable_stack


@pytest.fixture(scope="session")
def stack(request: pytest.FixtureRequest) -> Iterator[DisposableStack]:
    """Started once for the run, or the one of --stack; a test leaves it running and in order."""
    folder = request.config.getoption("--stack")
    if folder:
        running = DisposableStack(Path(folder).absolute())
        running.adopt()
        yield running
        return
    with disposable_stack() as own:
        yield own
