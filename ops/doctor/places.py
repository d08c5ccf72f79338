"""Where the system is that the doctor looks at."""

import os
from typing import NamedTuple

from coupons.kafka import KafkaClient
from ops.addresses import Addresses, kafka_client
from ops.choices import Choices, existing
from stack.folder import StateFolder


class Places(NamedTuple):
    """folder, choices: of the embedded stack; None when the system runs elsewhere."""

    folder: StateFolder | None
    choices: Choices | None
    database_url: str
    redis_url: str
    kafka: KafkaClient
    registry_url: str
    connect_url: str
    consumer_group: str


def find_places(where: Addresses) -> Places:
    """All of one system. Raises SettingError or ConfigurationError when they are not known."""
    return Places(
        where.folder,
        None if where.folder is None else existing(where.folder),
        where["COUPON_DATABASE_URL"],
        where["COUPON_REDIS_URL"],
        kafka_client(where),
        where["COUPON_SCHEMA_REGISTRY_URL"],
        where["COUPON_CONNECT_URL"],
        os.environ.get("COUPON_CONSUMER_GROUP", "coupon-cdc-consumer"),
    )
