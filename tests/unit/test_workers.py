"""The tests of one group run in one worker, so that what they share is started once."""

import pytest

from tests.support.workers import group_of


def test_the_id_of_a_test_names_its_group(request: pytest.FixtureRequest) -> None:
    """The scheduler of xdist goes by it; without a group any worker gets the test."""
    if not hasattr(request.config, "workerinput"):
        pytest.skip("there are no workers: -n 0")
    assert request.node.nodeid.endswith(f"@{group_of(request.node)}")
