"""An erasure on the real pipeline: Kafka's own limits are read, and its dead letters deleted."""

import json

from confluent_kafka import Producer

from coupons.change_events import DEAD_LETTER_TOPIC
from coupons.change_events.dead_letter_headers import DeadLetterMetadata, dead_letter_headers
from coupons.change_events.dead_letter_topic import read_dead_letters
from coupons.kafka.client import KafkaClient
from stack.disposable import DisposableStack
from tests.pipeline.test_pasted import run

USER = 471_300_001


def test_an_erasure_deletes_the_dead_letters_of_the_user(stack: DisposableStack) -> None:
    """And says until when Kafka keeps the others: by its defaults, two weeks."""
    servers = stack.environment["COUPON_KAFKA_BOOTSTRAP_SERVERS"]
    metadata = DeadLetterMetadata("of a test", 0, 7, 0, "E", "e", 1, "v", coupon_id=1, user_id=USER)
    producer = Producer({"bootstrap.servers": servers})
    producer.produce(DEAD_LETTER_TOPIC, b"x", headers=dead_letter_headers(metadata, None))
    assert producer.flush(30) == 0

    seen = json.loads(run(stack, f"coupon erase --user {USER} --dry-run --json").stdout)
    done = run(stack, f"coupon erase --user {USER} --yes --json")

    assert (seen["dead_letters"], seen["log_keeps_days"]) == (1, 14)
    assert done.returncode in (0, 1), (done.stdout, done.stderr)
    read = read_dead_letters(KafkaClient(servers))
    left = [each.metadata.user_id for each in read].count(USER)
    # One of another test that was not handled, and lies before it, keeps it there.
    assert json.loads(done.stdout)["dead_letters"] == {"deleted": 1 - left, "left": left}
    assert done.returncode == left
