"""The whole system on the embedded stack: its servers, what is set up on them, its processes."""

from collections.abc import Mapping
from pathlib import Path
from threading import Event

from coupons.kafka import KafkaClient
from coupons.ledger.roles import DATABASE, ROLES
from stack.applications import application_parts
from stack.embedded import server_parts
from stack.endpoints import database_url, stack_endpoints
from stack.folder import StateFolder
from stack.graph import Step
from stack.options import StackOptions
from stack.parts import Part

KAFKA = "COUPON_KAFKA_BOOTSTRAP_SERVERS"
SERVERS_OWN_DATABASES = ("postgres", "template1", "registry")


def all_parts(
    folder: StateFolder, choices: StackOptions, bundles: Mapping[str, Path]
) -> list[Part]:
    """Every process that is to run."""
    servers = server_parts(folder, bundles, choices.ports)
    return servers if choices.servers_only else [*servers, *application_parts(folder, choices)]


def setup_steps(folder: StateFolder, choices: StackOptions) -> list[Step]:
    """What has to be done on the servers before the project's processes start; safe to repeat."""
    ports = choices.ports

    def prepare_database(_cancelled: Event) -> None:
        from connectors.prepare import prepare_database
        from coupons.ledger.migrations import close_databases

        superuser = database_url(folder, ports, "postgres", "postgres")
        passwords = {f"coupon_{role}": folder.secret(f"coupon_{role}") for role in ROLES}
        prepare_database(superuser, DATABASE, passwords)
        # Each time: a restored server, or one of an earlier version, may have them open.
        close_databases(superuser, SERVERS_OWN_DATABASES)

    went_back: list[str] = []

    def compare_ledger(_cancelled: Event) -> None:
        from connectors.safe_registration import look_for_restore

        # Before Connect starts, and with it a connector that would write new heartbeats.
        went_back.extend(
            look_for_restore(stack_endpoints(folder, ports, "ops"), choices.servers_only)
        )

    def register_connector(_cancelled: Event) -> None:
        from connectors.safe_registration import register_unless_gap

        places = stack_endpoints(folder, ports, "cdc")
        kafka = KafkaClient(places[KAFKA])
        register_unless_gap(places, kafka, bool(went_back))

    def mend_topics(_cancelled: Event) -> None:
        from connectors.topic_settings import TopicSettings

        TopicSettings(KafkaClient(stack_endpoints(folder, ports, "cdc")[KAFKA])).mend()

    return [
        Step("topics", mend_topics, after=("kafka",)),
        Step("database", prepare_database, after=("postgres",)),
        Step("ledger", compare_ledger, after=("database", "valkey")),
        Step("connector", register_connector, after=("ledger", "registry", "connect", "topics")),
    ]
