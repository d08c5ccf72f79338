"""A coupon and its requests on the running stack."""

from collections.abc import Iterator

import pytest

from connectors.events import EVENTS_SLOT, read_events, stop_events
from connectors.slot import read_slot
from coupons.ledger.connection import connect_ledger
from stack.disposable import DisposableStack
from tests.pipeline.events import Events
from tests.pipeline.pipeline import Pipeline
from tests.support.embedded import new_stack, shared_stack


@pytest.fixture(scope="package")
def stack(request: pytest.FixtureRequest) -> Iterator[DisposableStack]:
    """The one that most of these tests share."""
    with shared_stack(request.config) as shared:
        yield shared


@pytest.fixture(scope="package")
def spare_stack() -> Iterator[DisposableStack]:
    """A stack for what must not happen to the shared one; each test leaves it in order."""
    with new_stack() as spare:
        yield spare


@pytest.fixture
def pipeline(stack: DisposableStack) -> Iterator[Pipeline]:
    """With room for everybody."""
    with connect_ledger(stack.environment["COUPON_DATABASE_URL"], "test", 60) as ledger:
        yield Pipeline(stack, ledger, total_quantity=25_000)


@pytest.fixture
def events(stack: DisposableStack) -> Iterator[Events]:
    """Off before and after the test."""
    with connect_ledger(stack.database_url("cdc"), "test", 60) as ledger:
        found = Events(stack, ledger)
        assert read_events(found.connect, ledger).is_off
        yield found
        stop_events(found.connect, ledger)
        assert read_events(found.connect, ledger).is_off
        assert not read_slot(ledger, EVENTS_SLOT).exists
