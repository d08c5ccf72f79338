"""How long to wait before something is tried again."""

import random


class Backoff:
    """Doubles from `first_seconds` to `longest_seconds`.

    The jitter keeps several processes from coming back at the same moment.
    """

    def __init__(self, first_seconds: float = 0.1, longest_seconds: float = 5.0) -> None:
        self._first_seconds = min(first_seconds, longest_seconds)
        self._longest_seconds = longest_seconds
        self._next_seconds = self._first_seconds

    def reset(self) -> None:
        """Begin again with the first pause: it worked."""
        self._next_seconds = self._first_seconds

    def next_seconds(self) -> float:
        """A pause between half and all of the present step; the next step is twice as long."""
        step = self._next_seconds
        self._next_seconds = min(self._longest_seconds, step * 2)
        return step * random.uniform(0.5, 1.0)  # noqa: S311
