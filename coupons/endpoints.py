"""The endpoints of one system, by the names of their settings."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from coupons.errors import ConfigurationError
from coupons.ledger.roles import DATABASE, role_url
from coupons.links.host_lists import split_url

if TYPE_CHECKING:
    from coupons.kafka.client import KafkaClient

API_URL = "COUPON_API_URL"
MANAGEMENT_URL = "COUPON_API_MANAGEMENT_URL"
DATABASE_URL = "COUPON_DATABASE_URL"
REDIS_URL = "COUPON_REDIS_URL"
KAFKA = "COUPON_KAFKA_BOOTSTRAP_SERVERS"
REGISTRY_URL = "COUPON_SCHEMA_REGISTRY_URL"
CONNECT_URL = "COUPON_CONNECT_URL"
CONSUMER_URLS = "COUPON_CONSUMER_URLS"
MONITOR_URL = "COUPON_MONITOR_URL"
PAGE_URL = "COUPON_MONITOR_PAGE_URL"
LINK_KEY = "COUPON_MONITOR_LINK_KEY_FILE"
JWT_KEY = "COUPON_JWT_KEY_FILE"
_BESIDES = (JWT_KEY, MONITOR_URL, PAGE_URL, LINK_KEY)
PASSWORDS = "COUPON_PASSWORDS_DIR"
"""The folder with a password file for each role, named after it."""

ENDPOINTS = (
    API_URL,
    MANAGEMENT_URL,
    DATABASE_URL,
    REDIS_URL,
    KAFKA,
    REGISTRY_URL,
    CONNECT_URL,
    MONITOR_URL,
)
"""With one of them in the environment, a command works on the system that they name."""


class Endpoints(Mapping[str, str]):
    """The COUPON_* settings of an environment that name the endpoints of one system.

    Reading a setting that is missing raises ConfigurationError. role: one of ROLES, without its
    prefix. With COUPON_PASSWORDS_DIR the database URL gets the login of that role; without it, the
    URL is used as it is.
    """

    def __init__(self, environment: Mapping[str, str], role: str) -> None:
        self._given = {
            name: environment[name] for name in (*ENDPOINTS, *_BESIDES) if environment.get(name)
        }
        self._passwords = environment.get(PASSWORDS)
        self._role = role

    def __getitem__(self, variable: str) -> str:
        if variable not in self._given:
            raise ConfigurationError(
                f"{variable} is not set, but {', '.join(self._given)} are: endpoints come from the"
                " environment or from a state folder, never from both. Set it, or name a state"
                " folder with --state"
            )
        value = self._given[variable]
        return self._as_role(value) if variable == DATABASE_URL else value

    def __iter__(self) -> Iterator[str]:
        return iter(self._given)

    def __len__(self) -> int:
        return len(self._given)

    def kafka_client(self, bootstrap_servers: str | None = None) -> "KafkaClient":
        """For the Kafka of this system, or for other brokers of it. Raises ConfigurationError."""
        # Most commands need no Kafka, and its client takes long to import.
        from coupons.kafka.security import KafkaSecurity
        from coupons.process.settings import load_settings

        return load_settings(KafkaSecurity).client(bootstrap_servers or self[KAFKA])

    def _as_role(self, url: str) -> str:
        if not self._passwords:
            return url
        name = f"coupon_{self._role}"
        database = split_url(url).path.lstrip("/") or DATABASE
        return role_url(url, name, password_of(Path(self._passwords), name), database)


def token_key(where: Mapping[str, str]) -> str:
    """The key that signs the system's tokens (HS256). Raises ConfigurationError."""
    return _secret(Path(where[JWT_KEY]), "the key of tokens")


def link_key(where: Mapping[str, str]) -> str:
    """The key of links to the monitor's page. Raises ConfigurationError."""
    return _secret(Path(where[LINK_KEY]), "the key of links to the monitor's page")


def password_of(folder: Path, role: str) -> str:
    """The password of a Postgres role in a folder of password files. Raises ConfigurationError."""
    return _secret(folder / role, f"the password of {role}")


def _secret(file: Path, what: str) -> str:
    try:
        secret = file.read_text("utf-8").strip()
    except OSError as error:
        raise ConfigurationError(f"{what} cannot be read: {error}. Write it there") from error
    if not secret:
        raise ConfigurationError(f"{file} is empty: write {what} there")
    return secret
