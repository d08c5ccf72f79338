"""A stack of these tests' own: what they count must not stand in line behind other tests' rows."""

from collections.abc import Iterator

import pytest

from benchmarks.embedded import EmbeddedStack, embedded_stack


@pytest.fixture(scope="package")
def stack() -> Iterator[EmbeddedStack]:
    """In place of the run's shared one."""
    with embedded_stack() as own:
        yield own
