"""The shared stack with links in it, and trials on it."""

import random
from collections.abc import Callable, Iterator

import pytest

from chaos.target import Target
from chaos.trial import Trial
from stack.disposable import DisposableStack
from tests.support.embedded import shared_stack

SESSION_SECONDS = 6
"""The minimum that a broker allows by default, so that stops beyond it do not take long."""


@pytest.fixture(scope="package")
def stack(request: pytest.FixtureRequest) -> Iterator[DisposableStack]:
    """The one that these tests share."""
    with shared_stack(request.config) as shared:
        yield shared


@pytest.fixture(scope="package")
def target(stack: DisposableStack) -> Iterator[Target]:
    """The stack with links from API and consumer to Postgres and Redis; restored afterwards."""
    target = Target(stack, SESSION_SECONDS)
    target.open()
    yield target
    target.close()


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """Given with --seed, or another one each time."""
    given: int | None = request.config.getoption("--seed")
    return random.randrange(1_000_000) if given is None else given


@pytest.fixture
def trial(target: Target, seed: int) -> Trial:
    """A trial with its coupons; no claims yet."""
    return Trial(target, str(seed))


@pytest.fixture
def found(target: Target, seed: int) -> Callable[[list[str]], str]:
    """Makes the message of a failed test: seed, violations and the ends of the logs."""

    def message(violations: list[str]) -> str:
        print(*violations, sep="\n")
        return "\n".join([f"--seed {seed}", *violations, target.stack.log_tails()])

    return message
