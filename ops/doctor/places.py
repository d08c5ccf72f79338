"""Where the system is that the doctor looks at."""

import os
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from coupons.kafka import KafkaClient
from ops.addresses import Addresses, kafka_client
from ops.choices import Choices, existing
from stack.folder import StateFolder
from stack.ports import HOST

CONSUMER_URLS = "COUPON_CONSUMER_URLS"
MANAGEMENT_URL = "COUPON_API_MANAGEMENT_URL"


class Places(NamedTuple):
    """folder, choices: of the embedded stack; None when the system runs elsewhere.

    management_url: of the API; None when it is not known. consumer_urls: where each consumer, by
    its name, answers /healthz; empty when that is not known. where: all addresses under the names
    of the settings.
    """

    folder: StateFolder | None
    choices: Choices | None
    database_url: str
    redis_url: str
    kafka: KafkaClient
    registry_url: str
    connect_url: str
    consumer_group: str
    management_url: str | None = None
    consumer_urls: Mapping[str, str] = MappingProxyType({})
    where: Addresses = Addresses(dict, None)


def find_places(where: Addresses) -> Places:
    """All of one system. Raises SettingError or ConfigurationError when they are not known."""
    choices = None if where.folder is None else existing(where.folder)
    return Places(
        where.folder,
        choices,
        where["COUPON_DATABASE_URL"],
        where["COUPON_REDIS_URL"],
        kafka_client(where),
        where["COUPON_SCHEMA_REGISTRY_URL"],
        where["COUPON_CONNECT_URL"],
        os.environ.get("COUPON_CONSUMER_GROUP", "coupon-cdc-consumer"),
        _management_url(where, choices),
        _consumer_urls(choices),
        where,
    )


def _management_url(where: Addresses, choices: Choices | None) -> str | None:
    if choices is not None:
        return f"http://{HOST}:{choices.ports['management']}"
    return where[MANAGEMENT_URL] if MANAGEMENT_URL in set(where) else None


def _consumer_urls(choices: Choices | None) -> dict[str, str]:
    if choices is None:
        given = os.environ.get(CONSUMER_URLS, "").replace(",", " ").split()
        return {f"consumer at {url}": url for url in given}
    if choices.servers_only:
        return {}
    return {name: f"http://{HOST}:{choices.ports[name]}" for name in choices.consumer_names}
