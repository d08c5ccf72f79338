"""Where the system is that the doctor looks at."""

import os
from typing import NamedTuple

from coupons.kafka import KafkaClient
from ops.addresses import addresses, kafka_client
from ops.choices import Choices, remembered
from stack.errors import SettingError
from stack.folder import StateFolder


class Places(NamedTuple):
    """choices: of the embedded stack; None when the system runs elsewhere."""

    folder: StateFolder
    choices: Choices | None
    database_url: str
    redis_url: str
    kafka: KafkaClient
    registry_url: str
    connect_url: str
    consumer_group: str


def find_places(folder: StateFolder) -> Places:
    """The embedded stack in this folder; without one, what COUPON_* variables point at.

    Raises SettingError when there is neither.
    """
    choices = remembered(folder)
    where = os.environ if choices is None else addresses(folder, choices.ports, "ops")
    try:
        return Places(
            folder,
            choices,
            where["COUPON_DATABASE_URL"],
            where["COUPON_REDIS_URL"],
            kafka_client(where, embedded=choices is not None),
            where["COUPON_SCHEMA_REGISTRY_URL"],
            where["COUPON_CONNECT_URL"],
            os.environ.get("COUPON_CONSUMER_GROUP", "coupon-cdc-consumer"),
        )
    except KeyError as error:
        raise SettingError(
            f"there is no stack in {folder.path}, and {error.args[0]} is not set: start one with"
            " `coupon up`, name its folder with --state, or set the addresses of another system"
        ) from None
