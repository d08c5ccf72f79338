"""The queue between a process and its exporter: spans are exported by a thread of its own."""

from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from threading import Event, Thread
from typing import Protocol

from prometheus_client import Counter

from coupons.process.tracing.spans import Span, is_sampled, sample_bound

MOST_WAITING = 4_096
"""Spans; some 3 MiB. One more is dropped."""
MOST_TOGETHER = 512
EXPORT_EVERY_SECONDS = 1.0
STOP_SECONDS = 2.0
"""Longest wait for the last spans when a process stops. A stop may take 10 s in all."""


class Exporter(Protocol):
    """Sends spans."""

    def export(self, spans: Sequence[Span]) -> bool:
        """Whether the collector has taken them. It may take long, and raises nothing."""

    def close(self) -> None:
        """End an export that waits to try again."""


class Tracer:
    """Samples requests and takes their spans. It never waits, and is safe to share between threads.

    ratio: of the requests, above 0 and up to 1. spans: counts them by result: exported, failed (the
    collector did not take them) or dropped (too many waited).
    """

    def __init__(self, ratio: float, exporter: Exporter, spans: Counter) -> None:
        self._bound = sample_bound(ratio)
        self._exporter = exporter
        self._exported, self._failed, self._dropped = map(
            spans.labels, ("exported", "failed", "dropped")
        )
        self._waiting: deque[Span] = deque()
        self._stopping = Event()
        self._thread = Thread(target=self._run, name="spans", daemon=True)
        self._thread.start()

    def samples(self, coupon_id: int, user_id: int) -> bool:
        """Whether the request is traced."""
        return is_sampled(coupon_id, user_id, self._bound)

    def emit(self, span: Span) -> None:
        """Export the span soon. It is dropped and counted when too many wait."""
        if len(self._waiting) >= MOST_WAITING:
            self._dropped.inc()
        else:
            self._waiting.append(span)

    def stop(self) -> None:
        """Export what waits, for STOP_SECONDS at most; what is left then is dropped."""
        self._stopping.set()
        self._thread.join(STOP_SECONDS)
        self._dropped.inc(len(self._waiting))
        self._waiting.clear()
        self._exporter.close()

    def _run(self) -> None:
        while not self._stopping.wait(EXPORT_EVERY_SECONDS):
            self._export_all()
        self._export_all()

    def _export_all(self) -> None:
        while self._waiting:
            spans: list[Span] = []
            with suppress(IndexError):  # there are fewer, or `stop` has removed them
                while len(spans) < MOST_TOGETHER:
                    spans.append(self._waiting.popleft())
            taken = self._exporter.export(spans)
            (self._exported if taken else self._failed).inc(len(spans))
