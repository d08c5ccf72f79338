"""Gate and ledger against small models of them, whatever happens in whatever order.

By default the same sequences run each time, in about half a minute. Look for new ones with

    COUPON_MODEL_EXAMPLES=2000 make test ARGS="tests/model"

which draws others in each run; what fails is printed as the shortest sequence found.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from coupons.gate import erasing
from tests.model.arriving import RoomsOfCoupons
from tests.model.coding import CodesOfIssuedCoupons
from tests.model.living import LivesOfIssuedCoupons
from tests.model.machine import GateAndLedger
from tests.model.queueing import LinesOfCoupons
from tests.model.system import System
from tests.support.databases import Database
from tests.support.servers import ValkeyServer

EXAMPLES = "COUPON_MODEL_EXAMPLES"
EXAMPLES_BY_DEFAULT = 40
STEPS = 40
MACHINES = (
    GateAndLedger,
    LinesOfCoupons,
    RoomsOfCoupons,
    LivesOfIssuedCoupons,
    CodesOfIssuedCoupons,
)


@pytest.fixture
def system(
    valkey_server: ValkeyServer, database: Database, monkeypatch: pytest.MonkeyPatch
) -> Iterator[System]:
    """No reconciler runs beside the rules: nothing waits for it."""
    monkeypatch.setattr(erasing, "LISTS_SECONDS", 0.0)
    with closing(System(valkey_server, database)) as system:
        yield system


@pytest.mark.timeout(0 if EXAMPLES in os.environ else 600)
@pytest.mark.parametrize("machine", MACHINES)
def test_every_promise_is_kept_in_any_order_of_events(
    system: System, machine: Callable[[System], Any]
) -> None:
    run_state_machine_as_test(
        lambda: machine(system),  # type: ignore[arg-type]  # any factory will do
        settings=settings(
            max_examples=int(os.environ.get(EXAMPLES, EXAMPLES_BY_DEFAULT)),
            stateful_step_count=STEPS,
            derandomize=EXAMPLES not in os.environ,
            database=None,
            deadline=None,
            print_blob=True,
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        ),
    )
