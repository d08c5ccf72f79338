"""A command imports what it needs: who types `coupon env` does not wait for clients of servers."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CLIENTS = {"confluent_kafka", "fastavro", "psycopg", "pydantic", "redis", "yoyo"}
SMALL = ("down", "env", "logs", "monitor", "restart", "stop", "top", "up")
"""The commands that use no server, or only HTTP services, or the clients in some cases only."""


@pytest.mark.parametrize(
    "modules",
    [["cli.main"], [f"cli.commands.{name}" for name in SMALL]],
    ids=["the list of commands", "commands that need no client"],
)
def test_no_client_of_a_server_is_imported_that_is_not_needed(modules: list[str]) -> None:
    program = f"import sys, {', '.join(modules)}; print(*{CLIENTS} & set(sys.modules))"
    printed = subprocess.check_output([sys.executable, "-c", program], cwd=ROOT, text=True)
    assert printed.split() == []


def test_an_api_without_limits_does_not_load_what_counts() -> None:
    """It takes half a second, in each worker."""
    program = "import sys, api.bootstrap; print('limits' in sys.modules)"
    printed = subprocess.check_output([sys.executable, "-c", program], cwd=ROOT, text=True)
    assert printed.split() == ["False"]
