"""Turns metrics off in a process, to measure what they cost.

Python imports this module at its start when this folder is in PYTHONPATH.
"""

from prometheus_client import values


class _Uncounted(values.MutexValue):
    """The number of a metric, which never changes."""

    def inc(self, _amount: float) -> None:
        """Count nothing."""

    def set(self, _value: float, timestamp: float | None = None) -> None:
        """Keep nothing."""


values.ValueClass = _Uncounted
