"""The endpoints of an embedded stack."""

from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from coupons.endpoints import (
    API_URL,
    CONNECT_URL,
    CONSUMER_URLS,
    DATABASE_URL,
    JWT_KEY,
    KAFKA,
    LINK_KEY,
    MANAGEMENT_URL,
    MONITOR_URL,
    PASSWORDS,
    REDIS_URL,
    REGISTRY_URL,
    Endpoints,
)
from coupons.errors import PartNotRunningError
from coupons.ledger.roles import DATABASE
from stack.folder import StateFolder
from stack.options import StackOptions, existing
from stack.parts import is_running
from stack.ports import HOST

if TYPE_CHECKING:
    from coupons.kafka.client import KafkaClient

_PART_AT = {
    API_URL: "api",
    MANAGEMENT_URL: "api",
    DATABASE_URL: "postgres",
    REDIS_URL: "valkey",
    KAFKA: "kafka",
    REGISTRY_URL: "registry",
    CONNECT_URL: "connect",
    MONITOR_URL: "monitor",
}
"""The part of the stack that listens at each endpoint."""


class StackEndpoints(Endpoints):
    """The endpoints of the embedded stack in a folder, looked up on the first access.

    An access raises SettingError where there is no stack, and PartNotRunningError for the endpoint
    of a part that is not running: another stack may use it by now. role: one of ROLES.
    """

    def __init__(self, folder: StateFolder, role: str) -> None:
        self.folder = folder
        self._role = role

    @cached_property
    def _known(self) -> Mapping[str, str]:
        ports = existing(self.folder).ports
        known = stack_endpoints(self.folder, ports, self._role)
        return {**known, **_page(self.folder, ports)}

    def __getitem__(self, variable: str) -> str:
        value = self._known[variable]
        part = _PART_AT.get(variable)
        if part and not is_running(self.folder.part(part)):
            raise PartNotRunningError(
                part,
                f"{part} of the stack in {self.folder.path} is not running: start it with"
                " `coupon up`",
            )
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)

    def kafka_client(self, bootstrap_servers: str | None = None) -> "KafkaClient":
        """For the stack's Kafka, without security; another address uses the security settings."""
        if bootstrap_servers is not None:
            return super().kafka_client(bootstrap_servers)
        from coupons.kafka.client import KafkaClient  # takes long to import

        return KafkaClient(self[KAFKA])


def folder_of(where: Endpoints) -> StateFolder | None:
    """The state folder of an embedded stack; None when the system runs elsewhere."""
    return where.folder if isinstance(where, StackEndpoints) else None


def stack_endpoints(folder: StateFolder, ports: Mapping[str, int], role: str) -> dict[str, str]:
    """COUPON_* settings that point at this stack, Postgres as the given role of ROLES."""
    return {
        API_URL: f"http://{HOST}:{ports['api']}",
        MANAGEMENT_URL: f"http://{HOST}:{ports['management']}",
        DATABASE_URL: database_url(folder, ports, f"coupon_{role}", DATABASE),
        REDIS_URL: f"redis://{HOST}:{ports['valkey']}/0",
        KAFKA: f"{HOST}:{ports['kafka']}",
        REGISTRY_URL: f"http://{HOST}:{ports['registry']}/apis/ccompat/v7",
        CONNECT_URL: f"http://{HOST}:{ports['connect']}",
        JWT_KEY: str(folder.secret_file("jwt.key")),
    }


def exports(folder: StateFolder, options: StackOptions, role: str) -> dict[str, str]:
    """The variables with which a shell works on this stack as on a system elsewhere."""
    ports = options.ports
    applications = {
        CONSUMER_URLS: consumer_urls(options),
        **_page(folder, ports),
    }
    return {
        **stack_endpoints(folder, ports, role),
        PASSWORDS: str(folder.secret_file(f"coupon_{role}").parent),
        **({} if options.servers_only else applications),
    }


def _page(folder: StateFolder, ports: Mapping[str, int]) -> dict[str, str]:
    """Where the monitor is, and the key of links to its page."""
    url = f"http://{HOST}:{ports['monitor']}"
    return {MONITOR_URL: url, LINK_KEY: str(link_key_file(folder))}


def link_key_file(folder: StateFolder) -> Path:
    """The file of the key that makes links to the monitor's page."""
    return folder.secret_file("monitor-link.key")


def receipt_key_file(folder: StateFolder) -> Path:
    """The file of the key that signs receipts."""
    from coupons.receipts import new_private_key  # takes long to import

    return folder.secret_file("receipt.key", new_private_key)


def consumer_urls(options: StackOptions) -> str:
    """Where the consumers answer /healthz, with a comma in between."""
    return ",".join(f"http://{HOST}:{options.ports[name]}" for name in options.consumer_names)


def database_url(folder: StateFolder, ports: Mapping[str, int], user: str, database: str) -> str:
    """A Postgres URL with that user's password of this stack."""
    return f"postgresql://{user}:{folder.secret(user)}@{HOST}:{ports['postgres']}/{database}"
