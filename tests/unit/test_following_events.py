"""A reader of the events that falls behind what retention removes loses no more than that."""

from collections.abc import Mapping
from typing import Any

import pytest
from confluent_kafka import Consumer

from coupons.change_events import SchemaRegistry
from coupons.kafka.client import KafkaClient
from operations.coupon_events import follow_events


class Asked(Exception):
    """With the settings that a consumer was asked for with."""


class NoKafka(KafkaClient):
    """Makes no client."""

    def consumer(self, settings: Mapping[str, Any]) -> Consumer:
        raise Asked(settings)


@pytest.mark.parametrize("from_beginning", [False, True])
def test_events_go_on_at_the_oldest_that_is_left(from_beginning: bool) -> None:
    """Not at the end of the topic, which is the client's default."""
    coming = follow_events(NoKafka(""), SchemaRegistry("http://127.0.0.1:1"), from_beginning)
    with pytest.raises(Asked) as asked:
        next(coming)
    assert asked.value.args[0]["auto.offset.reset"] == "earliest"
