"""`coupon bench` is a way to type `python -m benchmarks`."""

import subprocess
import sys

import pytest
from click.testing import CliRunner

from cli.commands import bench


def test_everything_that_follows_is_passed_on() -> None:
    command = [sys.executable, "-m", "cli", "bench", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0
    assert "report-load" in done.stdout


def test_without_a_checkout_it_says_what_is_needed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    monkeypatch.setattr(bench, "_CHECKOUT", tmp_path)
    done = CliRunner().invoke(bench.command, ["--quick"])
    assert done.exit_code == 1
    assert "run it from a checkout" in done.output
