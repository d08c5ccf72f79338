"""Counts of a rush; many threads write them, the display reads them."""

from collections import Counter
from threading import Lock


class Tally:
    """Counts the API's responses to claims, and the outcomes that users saw."""

    def __init__(self) -> None:
        self._lock = Lock()
        self.answers: Counter[str] = Counter()
        self.outcomes: Counter[str] = Counter()

    def answered(self, answer: str) -> None:
        """Count a response: admitted, duplicate, refused: <reason> or failed: <status>."""
        with self._lock:
            self.answers[answer] += 1

    def final(self, status: str) -> None:
        """Count a request whose user saw its final status."""
        with self._lock:
            self.outcomes[status] += 1
