"""A consumer with the real loop and settings, whose handler only notes what it was given.

python -m tests.consumer.member SERVERS GROUP SESSION_SECONDS NAME FILE: NAME "-" for a dynamic
member; a line of FILE is a batch, as a list of [partition, offset].
"""

import json
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Event

from confluent_kafka import Consumer

from cdc_consumer.health import Health
from cdc_consumer.kafka import consumer_settings
from cdc_consumer.limits import DlqLimit, DlqLimitState
from cdc_consumer.loop import ConsumerLoop
from cdc_consumer.records import Record
from coupons.change_events import REQUEST_TOPIC
from coupons.kafka.client import KafkaClient
from coupons.process.logging import configure_logging


def main(servers: str, group: str, session_seconds: str, name: str, file: str) -> None:
    """Until SIGTERM."""
    configure_logging("INFO")
    stopping = Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    member = None if name == "-" else name

    def connect(on_commit: Callable[..., None]) -> Consumer:
        settings = consumer_settings(group, member, on_commit, int(session_seconds))
        return KafkaClient(servers).consumer(settings)

    with Path(file).open("a", buffering=1) as noted:

        def handle(batch: Sequence[Record]) -> None:
            places = [
                (each.partition, each.offset) for each in batch if each.topic == REQUEST_TOPIC
            ]
            noted.write(json.dumps(places) + "\n")

        history = DlqLimitState(DlqLimit(50, 0.2, 1_000))
        ConsumerLoop(connect, handle, history, Health(), 500, 60, lambda: True).run(stopping)


if __name__ == "__main__":
    main(*sys.argv[1:])
