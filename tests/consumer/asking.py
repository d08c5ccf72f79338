"""Asks what an operator's commands ask of Kafka, with a new client each time, until SIGTERM.

python -m tests.consumer.asking SERVERS: a line on standard output each time: "known", or "unknown".
Each group is a new one, so that its coordinator is not known yet.
"""

import itertools
import signal
import sys
from threading import Event

from coupons.change_events.kafka_admin import KafkaAdmin
from coupons.errors import KafkaUnavailable
from coupons.kafka.client import KafkaClient


def main(servers: str) -> None:
    """Ends in order at SIGTERM."""
    stopping = Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    for number in itertools.count():
        if stopping.is_set():
            return
        kafka = KafkaAdmin(KafkaClient(servers), f"asking-{number}")
        try:
            kafka.consuming()
            kafka.unread(60.0)
            kafka.trimmed_unread()
            print("known", flush=True)
        except KafkaUnavailable:
            print("unknown", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
