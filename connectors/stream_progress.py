"""Tells when the stream has gone beyond a moment, also while more and more is written."""

from collections.abc import Callable

from coupons.errors import KafkaUnavailable
from coupons.kafka_admin import KafkaAdmin


class StreamProgress:
    """Whether everything of before a moment has been streamed, and what was streamed is handled.

    streamed: whether Kafka has all of it. A request of before that moment that is still not final
    afterwards was passed over, or is a dead letter: waiting does not help.
    """

    def __init__(self, kafka: KafkaAdmin, group: str, streamed: Callable[[], bool]) -> None:
        self._kafka = kafka
        self._group = group
        self._streamed = streamed
        self._owed: dict[tuple[str, int], int] | None = None

    def is_over(self) -> bool:
        """Ask again until it is. False as well while Kafka does not answer."""
        try:
            if self._owed is None:
                if not self._streamed():
                    return False
                self._owed = self._kafka.held()
            done = self._kafka.committed(self._group)
        except KafkaUnavailable:
            return False
        return all(done.get(place, 0) >= offset for place, offset in self._owed.items())
