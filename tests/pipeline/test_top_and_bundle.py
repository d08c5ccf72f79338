"""`coupon top` and `coupon support-bundle` against a running stack."""

import json
import os
import signal
import subprocess
import sys
import tarfile
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from coupons.endpoints import ENDPOINTS
from coupons.waiting import eventually
from stack.disposable import DisposableStack
from tests.pipeline.people import People
from tests.pipeline.pipeline import FINAL_WITHIN_SECONDS
from tests.support.terminal import on_a_terminal


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*ENDPOINTS, "COUPON_STATE_DIR", "COUPON_PASSWORDS_DIR"):
        monkeypatch.delenv(name, raising=False)


def _command(stack: DisposableStack, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "cli", *arguments, "--state", str(stack.folder.path)]


def _json(stack: DisposableStack, *arguments: str) -> Any:
    done = subprocess.run(
        _command(stack, *arguments, "--json"), capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def test_top_follows_a_rush(stack: DisposableStack) -> None:
    people = People(stack)
    coupon_id = people.create_coupon(total_quantity=50)
    people.claim_all(coupon_id, range(1, 31), threads=10)

    def left() -> list[int]:
        coupons = _json(stack, "top", "--interval", "0.5")["coupons"]
        return [each["left"] for each in coupons if each["coupon_id"] == str(coupon_id)]

    eventually(lambda: left() == [20], FINAL_WITHIN_SECONDS)
    with on_a_terminal(_command(stack, "top", "--interval", "0.5"), (80, 24), {}) as terminal:
        terminal.until_it_shows("servers and processes are up.")
        terminal.until_it_shows(" events/s")
        assert terminal.end(signal.SIGINT) == 0
    assert "Traceback" not in terminal.screen


def test_the_bundle_of_a_running_stack_is_complete_and_has_none_of_its_secrets(
    stack: DisposableStack, tmp_path: Path
) -> None:
    numbers = count()

    def complete() -> dict[str, str]:
        """A busy part may be asked for longer than it is waited for."""
        path = tmp_path / f"{next(numbers)}.tar.gz"
        assert _json(stack, "support-bundle", str(path))["missing"] == []
        files = _files(path)
        assert json.loads(files["state.json"])["sources"]["postgres"]["known"] is True
        return files

    files = eventually(complete, 60, "it is complete")
    secrets = [file.read_text() for file in (stack.folder.path / "secrets").iterdir()]
    assert len(secrets) > 5
    everything = "\n".join(files.values())
    assert [each for each in secrets if each in everything] == []
    parts = {each["name"] for each in json.loads(files["stack.json"])["parts"]}
    assert {f"logs/{name}.log" for name in parts} <= files.keys()
    assert json.loads(files["connector.json"])["status"]["connector"]["state"] == "RUNNING"
    assert json.loads(files["slot.json"])["active"] is True
    settings = json.loads(files["settings.json"])
    assert settings["api"]["COUPON_DATABASE_URL"].startswith("postgresql://coupon_api:[hidden]@")


def test_the_bundle_names_what_is_down(stack: DisposableStack, tmp_path: Path) -> None:
    stack.kill("valkey")
    try:
        written = _json(stack, "support-bundle", str(tmp_path / "report.tar.gz"))
    finally:
        stack.up()
    assert [each["name"] for each in written["missing"]] == ["gate.json"]
    assert "valkey of the stack in" in written["missing"][0]["why"]
    found = json.loads(_files(tmp_path / "report.tar.gz")["doctor.json"])["findings"]
    assert found[0]["section"] == "Redis is down"


def _files(path: Path) -> dict[str, str]:
    assert os.stat(path).st_mode & 0o777 == 0o600
    with tarfile.open(path) as tar:
        return {
            each.name.removeprefix("coupon-support/"): file.read().decode()
            for each in tar.getmembers()
            if (file := tar.extractfile(each)) is not None
        }
