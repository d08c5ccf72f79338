"""The system that the doctor checks: its endpoints, and the embedded stack's folder."""

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from coupons.change_events.kafka_admin import GROUP
from coupons.endpoints import (
    CONNECT_URL,
    CONSUMER_URLS,
    DATABASE_URL,
    KAFKA,
    MANAGEMENT_URL,
    PASSWORDS,
    REDIS_URL,
    REGISTRY_URL,
    Endpoints,
)
from coupons.kafka.client import KafkaClient
from operations.advice import naming
from operations.doctor.commands import StackCommand
from stack.endpoints import StackEndpoints, folder_of, stack_endpoints
from stack.folder import StateFolder
from stack.options import StackOptions, existing, remembered
from stack.parts import is_running
from stack.ports import HOST


class System(NamedTuple):
    """folder, options: of the embedded stack; None when the system runs elsewhere.

    management_url: of the API; None: not known. consumer_urls: by consumer, the URL that answers
    /healthz; empty: not known. where: all endpoints under the names of the settings. near: the
    folder on this machine whose stack has these addresses, which were given without the folder.
    """

    folder: StateFolder | None
    options: StackOptions | None
    database_url: str
    redis_url: str
    kafka: KafkaClient
    registry_url: str
    connect_url: str
    consumer_group: str
    management_url: str | None = None
    consumer_urls: Mapping[str, str] = MappingProxyType({})
    where: Endpoints = Endpoints({}, "ops")
    near: StateFolder | None = None

    def typed(self, command: str | None) -> str | None:
        """What to type, or to do, on this system."""
        if not isinstance(command, StackCommand) or self.folder is not None:
            return command
        return command.elsewhere if self.near is None else naming(command, self.near.path)


class EmbeddedSystem(System):
    """The embedded stack: each address is looked up when a check asks for it.

    Raises PartNotRunningError for a part that is not running, because another stack may use its
    address by now.
    """

    @property
    def database_url(self) -> str:
        return self.where[DATABASE_URL]

    @property
    def redis_url(self) -> str:
        return self.where[REDIS_URL]

    @property
    def kafka(self) -> KafkaClient:
        return self.where.kafka_client()

    @property
    def registry_url(self) -> str:
        return self.where[REGISTRY_URL]

    @property
    def connect_url(self) -> str:
        return self.where[CONNECT_URL]

    @property
    def management_url(self) -> str:
        return self.where[MANAGEMENT_URL]


def find_system(where: Endpoints) -> System:
    """The system at these endpoints. Raises SettingError or ConfigurationError."""
    group = os.environ.get("COUPON_CONSUMER_GROUP", GROUP)
    folder = folder_of(where)
    if folder is not None:
        options = existing(folder)
        urls = _running_consumers(folder, options)
        unused = KafkaClient("")
        return EmbeddedSystem(folder, options, "", "", unused, "", "", group, None, urls, where)
    near = _near(where)
    return System(
        None,
        None,
        where[DATABASE_URL],
        where[REDIS_URL],
        where.kafka_client(),
        where[REGISTRY_URL],
        where[CONNECT_URL],
        group,
        where[MANAGEMENT_URL] if MANAGEMENT_URL in set(where) else None,
        _given_consumers(near),
        where,
        near,
    )


def endpoints_of_stack(folder: Path) -> Endpoints:
    """For `find_system`: the embedded stack with this state folder."""
    return StackEndpoints(StateFolder(folder), "ops")


def _near(where: Endpoints) -> StateFolder | None:
    """`coupon env` exports a folder of passwords that is in the folder of the stack."""
    if not (passwords := os.environ.get(PASSWORDS)):
        return None
    folder = StateFolder(Path(passwords).absolute().parent)
    with suppress(OSError):
        options = remembered(folder) if folder.exists() else None
        if options is not None:
            here = stack_endpoints(folder, options.ports, "ops")
            if all(where[name] == here[name] for name in (KAFKA, REDIS_URL, CONNECT_URL)):
                return folder
    return None


def _given_consumers(near: StateFolder | None) -> dict[str, str]:
    given = os.environ.get(CONSUMER_URLS, "").replace(",", " ").split()
    parts = {} if near is None else _consumers(existing(near))
    names = {url: name for name, url in parts.items()}
    return {names.get(url, f"consumer at {url}"): url for url in given}


def _running_consumers(folder: StateFolder, options: StackOptions) -> dict[str, str]:
    """Those that run; another check reports those that do not."""
    return {name: url for name, url in _consumers(options).items() if is_running(folder.part(name))}


def _consumers(options: StackOptions) -> dict[str, str]:
    names = [] if options.servers_only else options.consumer_names
    return {name: f"http://{HOST}:{options.ports[name]}" for name in names}
