"""Where everything of a stack is, under the names of the settings."""

from collections.abc import Mapping

from coupons.kafka import KafkaClient, KafkaSecurity
from coupons.settings import load_settings
from stack.folder import StateFolder
from stack.ports import HOST

DATABASE = "coupon"
ROLES = ("owner", "api", "consumer", "reconciler", "ops", "cdc", "registry")
"""Each is a Postgres role coupon_<name> with a password of its own."""


def addresses(folder: StateFolder, ports: Mapping[str, int], role: str) -> dict[str, str]:
    """COUPON_* settings that point at this stack, Postgres as the given role of ROLES."""
    return {
        "COUPON_API_URL": f"http://{HOST}:{ports['api']}",
        "COUPON_DATABASE_URL": database_url(folder, ports, f"coupon_{role}", DATABASE),
        "COUPON_REDIS_URL": f"redis://{HOST}:{ports['valkey']}/0",
        "COUPON_KAFKA_BOOTSTRAP_SERVERS": f"{HOST}:{ports['kafka']}",
        "COUPON_SCHEMA_REGISTRY_URL": f"http://{HOST}:{ports['registry']}/apis/ccompat/v7",
        "COUPON_CONNECT_URL": f"http://{HOST}:{ports['connect']}",
    }


def kafka_client(where: Mapping[str, str], embedded: bool) -> KafkaClient:
    """The Kafka at these addresses. embedded: it is the embedded stack's, which is not secured.

    Raises KeyError without its address, and ConfigurationError.
    """
    servers = where["COUPON_KAFKA_BOOTSTRAP_SERVERS"]
    return KafkaClient(servers) if embedded else load_settings(KafkaSecurity).client(servers)


def database_url(folder: StateFolder, ports: Mapping[str, int], user: str, database: str) -> str:
    """A Postgres URL with that user's password of this stack."""
    return f"postgresql://{user}:{folder.secret(user)}@{HOST}:{ports['postgres']}/{database}"
