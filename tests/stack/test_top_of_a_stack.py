"""`coupon top` follows the monitor of a stack down and up, and says what to type meanwhile."""

import json
import signal
import sys
from pathlib import Path

import pytest

from coupons.endpoints import ENDPOINTS
from coupons.waiting import eventually
from stack.folder import StateFolder
from stack.lifecycle import bring_up, take_down
from stack.options import choose, remember
from tests.stack.conftest import web_part
from tests.support.terminal import on_a_terminal
from tests.unit.test_top import RECORDED, UP

COMMAND = [sys.executable, "-m", "cli", "top", "--interval", "0.5", "--state"]


def test_the_monitor_of_a_stack_is_stopped_and_started_again(
    folder: StateFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (*ENDPOINTS, "COUPON_STATE_DIR"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "state.json").write_text(json.dumps({**RECORDED, "coupons": []}))
    monitor = web_part("monitor", tmp_path)
    remember(folder, choose(folder, "auto", monitor.ports, consumers=1, servers_only=False))
    bring_up(folder, [monitor], [], lambda *_: None)
    with on_a_terminal([*COMMAND, str(folder.path)], (80, 24), {}) as terminal:
        terminal.until_it_shows(UP)
        take_down(folder, ["monitor"], lambda *_: None)
        terminal.until_it_shows("monitor of the stack in")
        terminal.until_it_shows("unknown since")
        shown = len(terminal.screen)
        bring_up(folder, [monitor], [], lambda *_: None)
        eventually(lambda: UP in terminal.screen[shown:], 60)
        assert terminal.end(signal.SIGINT) == 0
    assert "Traceback" not in terminal.screen
