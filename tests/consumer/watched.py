"""A consumer with the real settings that only says what its figures say.

python -m tests.consumer.watched SERVERS GROUP SESSION_SECONDS TOPIC: a line on standard output each
time: the partitions that it owns, then why it does not read, or "reads".
"""

import sys

from confluent_kafka import Consumer

from cdc_consumer.kafka import consumer_settings
from cdc_consumer.membership import not_reading
from coupons.kafka.client import KafkaClient


def main(servers: str, group: str, session_seconds: str, topic: str) -> None:
    """Until it is killed."""

    def say(statistics: str) -> None:
        failure = not_reading(statistics)
        print(len(client.assignment()), failure.why if failure else "reads", flush=True)

    settings = consumer_settings(group, None, lambda *_: None, int(session_seconds), say)
    client: Consumer = KafkaClient(servers).consumer(settings)
    client.subscribe([topic])
    while True:
        client.poll(0.2)


if __name__ == "__main__":
    main(*sys.argv[1:])
