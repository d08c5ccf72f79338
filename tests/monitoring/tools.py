"""Prometheus' own tools; a test that needs one is skipped where it is not installed."""

import shutil
import subprocess

import pytest

SECONDS = 60


def run_tool(name: str, *arguments: object, given: str | None = None) -> str:
    """What the tool printed. Raises AssertionError when it finds something wrong."""
    if shutil.which(name) is None:
        pytest.skip(f"no {name}: apt install prometheus prometheus-alertmanager")
    done = subprocess.run(
        [name, *map(str, arguments)], input=given, capture_output=True, text=True, timeout=SECONDS
    )
    printed = done.stdout + done.stderr
    assert done.returncode == 0, printed
    return printed
