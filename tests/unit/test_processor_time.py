"""The cost of a component counts every process that works for it."""

import subprocess
import sys

from benchmarks.harness.usage import per_item, processor_seconds
from coupons.waiting import eventually

# A parent that does nothing; one child has ended, the other one waits. Each worked for 0.3 s.
_FAMILY = """
import subprocess, sys
work = "import time\\nwhile time.process_time() < 0.3: pass\\nprint('done', flush=True)\\n"
subprocess.run([sys.executable, "-c", work], check=True)
subprocess.Popen([sys.executable, "-c", work + "input()"], stdin=subprocess.PIPE).wait()
"""


def test_processor_time_is_that_of_all_children_living_and_ended() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _FAMILY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as family:
        try:
            assert family.stdout is not None
            assert [family.stdout.readline() for _ in range(2)] == ["done\n"] * 2
            spent = eventually(lambda: max(0.0, processor_seconds(family.pid) - 0.55))
            assert spent < 1.0
        finally:
            family.kill()


def test_microseconds_of_an_item_are_those_between_two_readings() -> None:
    """Microseconds of an item are of what was spent between two readings."""
    before, after = {"api": 1.0, "kafka": 2.0, "gone": 1.0}, {"api": 1.5, "kafka": 2.0, "new": 1.0}
    assert per_item(before, after, 1_000) == {"api": 500.0, "kafka": 0.0}
