"""What a rush has seen so far; written by many threads, read by the display."""

from collections import Counter
from threading import Lock


class Tally:
    """Counts answers to claims, and outcomes that users saw."""

    def __init__(self) -> None:
        self._lock = Lock()
        self.answers: Counter[str] = Counter()
        self.outcomes: Counter[str] = Counter()

    def answered(self, answer: str) -> None:
        """Count the answer to a claim: admitted, duplicate, refused: <reason>, or trouble."""
        with self._lock:
            self.answers[answer] += 1

    def final(self, status: str) -> None:
        """Count a request that its user saw become final."""
        with self._lock:
            self.outcomes[status] += 1
