"""The client covers the API's description, and stands on nothing of the project."""

import ast
import json
import re
import sys
from pathlib import Path

import click
import pytest

from cli.commands.client import command
from coupon_client import CouponClient

ROOT = Path(__file__).parents[2]
LEFT_OUT = {
    "beginAudienceUpload": "`upload_audience` takes all steps",
    "readAudienceUpload": "`upload_audience` takes all steps",
    "finishAudienceUpload": "`upload_audience` takes all steps",
    "followRequests": "a stream for browsers; `wait_for_result` waits by long polls",
    "isAlive": "a probe, for what runs the API",
    "readDescription": "a document, for tools that make clients",
}
"""Operations without a method, and why."""

BESIDES = {"close", "wait_for_result", "wait_for_turn"}
"""Methods that are no operation: the connections, and those that wait."""


def operations() -> set[str]:
    """The names of all operations that the API's description has."""
    described = json.loads((ROOT / "docs" / "reference" / "openapi.json").read_text("utf-8"))
    return {
        operation["operationId"]
        for path in described["paths"].values()
        for operation in path.values()
        if isinstance(operation, dict) and "operationId" in operation
    }


def as_method(name: str) -> str:
    return re.sub("[A-Z]", lambda capital: f"_{capital[0].lower()}", name)


def methods() -> set[str]:
    return {name for name in dir(CouponClient) if not name.startswith("_")}


def test_each_operation_has_a_method_or_a_reason() -> None:
    """A method of the operation's name; nothing is left out that does not exist any more."""
    assert LEFT_OUT.keys() <= operations()
    assert {as_method(each) for each in operations() - LEFT_OUT.keys()} == methods() - BESIDES


def test_each_method_has_a_command_of_its_name() -> None:
    names = {name.replace("-", "_") for name in command.list_commands(click.Context(command))}
    assert names == methods() - {"close"}


@pytest.mark.parametrize(
    "file", sorted((ROOT / "coupon_client").glob("*.py")), ids=lambda f: f.name
)
def test_the_client_stands_on_requests_alone(file: Path) -> None:
    """And on urllib3, which requests stands on; so it can be copied into another project."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    rooms = {name.partition(".")[0] for name in names}
    assert rooms - sys.stdlib_module_names <= {"coupon_client", "requests", "urllib3"}
