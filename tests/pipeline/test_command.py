"""What a person types against a running stack."""

import json
import subprocess
import sys
from typing import Any

from coupons.waiting import eventually
from stack.disposable import DisposableStack


def _coupon(stack: DisposableStack, *arguments: str) -> Any:
    args = [sys.executable, "-m", "cli", *arguments, "--state", str(stack.folder.path), "--json"]
    done = subprocess.run(args, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_rush_issues_every_place_and_its_books_add_up(stack: DisposableStack) -> None:
    result = _coupon(stack, "rush", "--places", "20", "--users", "60", "--twice", "10")
    assert result["complaints"] == []
    assert result["answers"]["admitted"] == 20
    assert result["answers"]["refused: closed"] == 1
    assert sum(result["answers"].values()) == 60 + 10 + 1
    assert result["outcomes"] == {"ISSUED": 20}
    assert result["ledger"]["issued"] == result["gate"]["issued"] == 20
    verified = _coupon(stack, "verify", "--coupon", str(result["coupon_id"]))
    [books] = verified["coupons"]
    assert books["ledger"] == result["ledger"]


def test_status_tells_that_everything_is_up_and_events_flow(stack: DisposableStack) -> None:
    result = eventually(lambda: _fresh(_coupon(stack, "status")), 60)
    assert {part["state"] for part in result["parts"]} == {"up"}
    assert result["connector"] == "RUNNING"
    assert result["memory"] < 2 * 2**30


def _fresh(status: Any) -> Any:
    assert status["heartbeat_age_seconds"] < 10, status
    return status
