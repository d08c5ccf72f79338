"""Where everything of a stack is, under the names of the settings."""

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from urllib.parse import quote, urlunsplit

from coupons.errors import ConfigurationError
from coupons.host_lists import split_url
from coupons.kafka import KafkaClient, KafkaSecurity
from coupons.settings import load_settings
from ops.choices import Choices, existing
from stack.errors import PartNotRunningError
from stack.folder import StateFolder
from stack.parts import is_running
from stack.ports import HOST

DATABASE = "coupon"
ROLES = ("owner", "api", "consumer", "reconciler", "ops", "cdc", "registry")
"""Each is a Postgres role coupon_<name> with a password of its own."""

_PART_AT = {
    "COUPON_API_URL": "api",
    "COUPON_API_MANAGEMENT_URL": "api",
    "COUPON_DATABASE_URL": "postgres",
    "COUPON_REDIS_URL": "valkey",
    "COUPON_KAFKA_BOOTSTRAP_SERVERS": "kafka",
    "COUPON_SCHEMA_REGISTRY_URL": "registry",
    "COUPON_CONNECT_URL": "connect",
}
"""Which part of the embedded stack listens at an address."""

ADDRESSES = tuple(_PART_AT)
"""One of them in the environment, and a command looks for its stack there."""

DATABASE_URL = "COUPON_DATABASE_URL"
CONSUMER_URLS = "COUPON_CONSUMER_URLS"
JWT_KEY = "COUPON_JWT_KEY_FILE"
PASSWORDS = "COUPON_PASSWORDS_DIR"
"""The folder with a password file for each role, named after it."""


class Addresses(Mapping[str, str]):
    """COUPON_* settings that point at one stack, looked up when the first is asked for.

    Asking raises SettingError where there is no stack, PartNotRunningError for the address of a
    part that is not running (another stack may listen there by now), and ConfigurationError for a
    variable that the environment should have set and has not. folder: of the embedded
    stack that they are of; None when they come from the environment. as_role: makes of the
    database's URL the one that is told.
    """

    def __init__(
        self,
        look_up: Callable[[], Mapping[str, str]],
        folder: StateFolder | None,
        as_role: Callable[[str], str] | None = None,
    ) -> None:
        self._look_up = look_up
        self._as_role = as_role
        self.folder = folder

    @cached_property
    def _known(self) -> Mapping[str, str]:
        return self._look_up()

    def __getitem__(self, variable: str) -> str:
        if variable in self._known:
            self._check_runs(variable)
            value = self._known[variable]
            turn = self._as_role if variable == DATABASE_URL else None
            return turn(value) if turn else value
        raise ConfigurationError(
            f"{variable} is not set, but {', '.join(self._known)} are: addresses come from the"
            " environment or from a state folder, never from both; set it, or name a state folder"
            " with --state"
        )

    def _check_runs(self, variable: str) -> None:
        part = _PART_AT.get(variable)
        if self.folder is not None and part and not is_running(self.folder.part(part)):
            raise PartNotRunningError(
                part,
                f"{part} of the stack in {self.folder.path} is not running: start it with"
                " `coupon up`",
            )

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)


def find_addresses(
    folder: StateFolder, folder_was_named: bool, role: str, environment: Mapping[str, str]
) -> Addresses:
    """Of the stack in a folder that was named; else in the environment; else in the folder.

    role: one of ROLES, for Postgres. With COUPON_PASSWORDS_DIR the environment's database URL is
    turned into that role's; without, it is taken as it is.
    """
    if not folder_was_named and any(environment.get(name) for name in ADDRESSES):
        return Addresses(
            lambda: _from_environment(environment),
            None,
            lambda url: _as_role(url, role, environment.get(PASSWORDS)),
        )
    return Addresses(lambda: addresses(folder, existing(folder).ports, role), folder)


def addresses(folder: StateFolder, ports: Mapping[str, int], role: str) -> dict[str, str]:
    """COUPON_* settings that point at this embedded stack, Postgres as the given role of ROLES."""
    return {
        "COUPON_API_URL": f"http://{HOST}:{ports['api']}",
        "COUPON_API_MANAGEMENT_URL": f"http://{HOST}:{ports['management']}",
        "COUPON_DATABASE_URL": database_url(folder, ports, f"coupon_{role}", DATABASE),
        "COUPON_REDIS_URL": f"redis://{HOST}:{ports['valkey']}/0",
        "COUPON_KAFKA_BOOTSTRAP_SERVERS": f"{HOST}:{ports['kafka']}",
        "COUPON_SCHEMA_REGISTRY_URL": f"http://{HOST}:{ports['registry']}/apis/ccompat/v7",
        "COUPON_CONNECT_URL": f"http://{HOST}:{ports['connect']}",
        JWT_KEY: str(folder.secret_file("jwt.key")),
    }


def exports(folder: StateFolder, choices: Choices, role: str) -> dict[str, str]:
    """What a shell needs in order to work on this stack as on one elsewhere."""
    ports = choices.ports
    consumers = () if choices.servers_only else choices.consumer_names
    urls = ",".join(f"http://{HOST}:{ports[name]}" for name in consumers)
    return {
        **addresses(folder, ports, role),
        PASSWORDS: str(folder.secret_file(f"coupon_{role}").parent),
        **({CONSUMER_URLS: urls} if urls else {}),
    }


def kafka_client(where: Addresses, bootstrap_servers: str | None = None) -> KafkaClient:
    """The Kafka at these addresses, or another one; only the embedded stack's is not secured.

    Raises SettingError and ConfigurationError.
    """
    if where.folder is not None and bootstrap_servers is None:
        return KafkaClient(where["COUPON_KAFKA_BOOTSTRAP_SERVERS"])
    servers = bootstrap_servers or where["COUPON_KAFKA_BOOTSTRAP_SERVERS"]
    return load_settings(KafkaSecurity).client(servers)


def database_url(folder: StateFolder, ports: Mapping[str, int], user: str, database: str) -> str:
    """A Postgres URL with that user's password of this embedded stack."""
    return f"postgresql://{user}:{folder.secret(user)}@{HOST}:{ports['postgres']}/{database}"


def role_url(url: str, role: str, password: str, database: str) -> str:
    """The same server as another role, in another database."""
    parts = split_url(url)
    place = parts.netloc.rpartition("@")[2]
    netloc = f"{role}:{quote(password, safe='')}@{place}"
    return urlunsplit(parts._replace(netloc=netloc, path=f"/{database}"))


def token_key(where: Mapping[str, str]) -> str:
    """The key that the stack's tokens are signed with (HS256). Raises ConfigurationError."""
    return _secret(Path(where[JWT_KEY]), "the key of tokens")


def password_of(folder: Path, role: str) -> str:
    """The password of a Postgres role in a folder of password files. Raises ConfigurationError."""
    return _secret(folder / role, f"the password of {role}")


def _secret(file: Path, what: str) -> str:
    try:
        secret = file.read_text("utf-8").strip()
    except OSError as error:
        raise ConfigurationError(f"{what} cannot be read: {error}; write it there") from error
    if not secret:
        raise ConfigurationError(f"{file} is empty: write {what} there")
    return secret


def _from_environment(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: environment[name] for name in (*ADDRESSES, JWT_KEY) if environment.get(name)}


def _as_role(url: str, role: str, passwords: str | None) -> str:
    if not passwords:
        return url
    name = f"coupon_{role}"
    database = split_url(url).path.lstrip("/") or DATABASE
    return role_url(url, name, password_of(Path(passwords), name), database)
