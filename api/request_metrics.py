"""Counts requests in memory, and hands the sums to the metrics several times a second.

The metrics library writes each count into a file that the management process reads: seven times
the cost of adding it up here. A worker that is killed takes at most HAND_OVER_SECONDS of counts
with it; one that stops hands over what it has.
"""

import asyncio
from collections import Counter, defaultdict

from api.metrics import API_REQUEST_DURATION, API_REQUESTS

HAND_OVER_SECONDS = 0.25


class RequestMetrics:
    """The requests of one worker. All the state belongs to its event loop."""

    def __init__(self) -> None:
        self._responses: Counter[tuple[str, int]] = Counter()
        self._seconds: defaultdict[str, list[float]] = defaultdict(list)

    def responded(self, route: str, status: int, seconds: float | None) -> None:
        """A response was sent. seconds: how long it took; None: a long poll, which is to wait."""
        if not self._responses:
            asyncio.get_running_loop().call_later(HAND_OVER_SECONDS, self.hand_over)
        self._responses[route, status] += 1
        if seconds is not None:
            self._seconds[route].append(seconds)

    def hand_over(self) -> None:
        """Add what was counted to the metrics."""
        # Taken first: when the metrics fail, the next response starts the timer again.
        responses, self._responses = self._responses, Counter()
        all_seconds, self._seconds = self._seconds, defaultdict(list)
        for (route, status), count in responses.items():
            API_REQUESTS.labels(route, status).inc(count)
        for route, seconds in all_seconds.items():
            API_REQUEST_DURATION.labels(route).observe_all(seconds)
