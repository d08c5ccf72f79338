"""The shared stack with links in it, and trials on it."""

import random
from collections.abc import Callable, Iterator

import pytest

from chaos.site import Site
from chaos.trial import Trial
from stack.disposable import DisposableStack

SESSION_SECONDS = 6
"""The shortest that a broker allows by default, so that stops beyond it do not take long."""


@pytest.fixture(scope="package")
def site(stack: DisposableStack) -> Iterator[Site]:
    """The stack with links between API, consumer and what they write to; put back afterwards."""
    site = Site(stack, SESSION_SECONDS)
    site.open()
    yield site
    site.close()


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """Given with --seed, or another one each time."""
    given: int | None = request.config.getoption("--seed")
    return random.randrange(1_000_000) if given is None else given


@pytest.fixture
def trial(site: Site, seed: int) -> Trial:
    """Its coupons are there; nobody claims yet."""
    return Trial(site, str(seed))


@pytest.fixture
def found(site: Site, seed: int) -> Callable[[list[str]], str]:
    """What a failed test tells besides its violations."""

    def tell(violations: list[str]) -> str:
        print(*violations, sep="\n")
        return "\n".join([f"--seed {seed}", *violations, site.stack.log_tails()])

    return tell
