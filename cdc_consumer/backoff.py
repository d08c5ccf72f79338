"""How long to wait before something is tried again."""

import random

FIRST_SECONDS = 0.1
LONGEST_SECONDS = 5.0


class Backoff:
    """Doubles from 0.1 s to 5 s; the jitter keeps several processes from coming back together."""

    def __init__(self) -> None:
        self._next_seconds = FIRST_SECONDS

    def reset(self) -> None:
        """It worked."""
        self._next_seconds = FIRST_SECONDS

    def next_seconds(self) -> float:
        """Half to all of the present step; the next one is twice as long."""
        step = self._next_seconds
        self._next_seconds = min(LONGEST_SECONDS, step * 2)
        return step * random.uniform(0.5, 1.0)  # noqa: S311
