"""Tells when the stream has passed a moment, also while new requests keep coming."""

from collections.abc import Callable

from coupons.change_events.kafka_admin import KafkaAdmin
from coupons.errors import KafkaUnavailable


class StreamProgress:
    """Whether everything from before a moment has been streamed and handled.

    streamed: tells whether Kafka has all of it. A request from before that moment that is still not
    final afterwards was passed over, or is a dead letter: waiting does not help.
    """

    def __init__(self, kafka: KafkaAdmin, streamed: Callable[[], bool]) -> None:
        self._kafka = kafka
        self._streamed = streamed
        self._needed: dict[tuple[str, int], int] | None = None
        """The offset that the group has to reach, by topic and partition."""

    def is_over(self) -> bool:
        """Call it until it returns True. False also while Kafka does not answer."""
        try:
            if self._needed is None:
                if not self._streamed():
                    return False
                self._needed = self._kafka.held()
            done = self._kafka.committed()
        except KafkaUnavailable:
            return False
        return all(done.get(key, 0) >= offset for key, offset in self._needed.items())
