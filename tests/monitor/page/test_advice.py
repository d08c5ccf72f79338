"""What the page says to type is what the operator of this system types."""

from pathlib import Path

import pytest

from connectors.connect import START_OR_SET
from coupons.waiting import eventually
from monitor.page.advice import Advice
from stack.folder import StateFolder, default_state
from stack.options import choose, remember
from tests.monitor.page.conftest import Operator, Serve
from tests.monitor.page.words import text_of

ELSEWHERE = "start Kafka where it runs, then coupon doctor again"


@pytest.fixture
def stopped(tmp_path: Path) -> Path:
    """The state folder of a stack that was stopped."""
    folder = StateFolder(tmp_path / "a stack")
    folder.create()
    remember(folder, choose(folder, "+500", {}, consumers=1, servers_only=False))
    return folder.path


def overview(operator: Operator) -> str:
    """The overview when the doctor has finished."""
    eventually(lambda: "In the runbook:" in operator.get("/").text, 30)
    return text_of(operator.get("/"))


def test_an_embedded_stack_is_started_with_coupon_up(serve: Serve, stopped: Path) -> None:
    operator = serve(monitor_state_dir=stopped).operator()
    named = f"--state '{stopped}'"
    said = overview(operator)
    assert f"type coupon up {named}" in said
    assert f"(no connection); type coupon up {named}" in said
    for elsewhere in ("where it runs, then", "start it, or set", "run elsewhere"):
        assert elsewhere not in said
    recovery = text_of(operator.get("/stream/recover"))
    assert f"Type coupon connector recover {named} where" in recovery
    refused = text_of(operator.get("/stream/restart"))
    assert f"coupon monitor {named} prints a link" in refused


def test_a_system_elsewhere_is_started_where_it_runs(serve: Serve) -> None:
    said = overview(serve().operator())
    assert ELSEWHERE in said
    assert "--state" not in said


def test_the_folder_that_commands_take_by_themselves_is_not_named() -> None:
    advice = Advice(default_state())
    assert advice.typed("see `coupon verify`") == "see `coupon verify`"
    assert advice.typed(f"it is down; {START_OR_SET}") == "it is down; type `coupon up`"
    assert Advice(None).typed(START_OR_SET) == START_OR_SET
