"""A stack of these tests' own: what they count must not stand in line behind other tests' rows."""

from collections.abc import Iterator

import pytest

from stack.disposable import DisposableStack, disposable_stack


@pytest.fixture(scope="package")
def stack() -> Iterator[DisposableStack]:
    """In place of the run's shared one."""
    with disposable_stack() as own:
        yield own
