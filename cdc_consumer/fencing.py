"""Whether a consumer that Kafka has fenced may go on: whether somebody else uses its name.

Kafka fences a static member when another client joins under its name. That other client may be gone
by now. Kafka also fences a member that is alone: a join whose response was lost takes the name from
the client that asked for it, and a broker that was killed and started again may answer for a moment
from an older state of the group (seen with Kafka 4.3).
"""

import logging
import time
from collections.abc import Callable
from threading import Event

from coupons.errors import KafkaUnavailable

_PAUSE_SECONDS = 0.5

log = logging.getLogger(__name__)


def await_free_name(
    user: Callable[[], str | None],
    own: str | None,
    patience_s: float,
    stopping: Event,
    waiting: Callable[[], None],
) -> str | None:
    """Wait until nobody else uses the name. Returns None then, or when `stopping` is set.

    user: the id of the member that uses the name; None: nobody does; raises KafkaUnavailable. own:
    the member id of this process. waiting: called again and again. Returns the id of another one
    that used the name for `patience_s` seconds: it is alive, for Kafka removes members that are
    gone. Time in which Kafka does not answer does not count.
    """
    last, since = own, 0.0
    while not stopping.is_set():
        waiting()
        try:
            other = user()
        except KafkaUnavailable as error:
            log.warning("waiting for Kafka: %s", error)
            last = own
        else:
            if other is None or other == own:
                return None
            if other != last:
                last, since = other, time.monotonic()
            if time.monotonic() - since > patience_s:
                return other
        stopping.wait(_PAUSE_SECONDS)
    return None
