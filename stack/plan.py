"""What `coupon up` runs: every part, and the steps that prepare the servers."""

from collections.abc import Mapping
from pathlib import Path
from threading import Event

from coupons.endpoints import KAFKA
from coupons.ledger.roles import DATABASE, ROLES
from stack.applications import application_parts
from stack.endpoints import database_url, stack_endpoints
from stack.folder import StateFolder
from stack.graph import Step
from stack.options import StackOptions
from stack.parts import Part
from stack.server_parts import server_parts

OTHER_DATABASES = ("postgres", "template1", "registry")


def all_parts(
    folder: StateFolder, options: StackOptions, bundles: Mapping[str, Path]
) -> list[Part]:
    """Every process that has to run."""
    servers = server_parts(folder, bundles, options.ports)
    return servers if options.servers_only else [*servers, *application_parts(folder, options)]


def setup_steps(folder: StateFolder, options: StackOptions) -> list[Step]:
    """The steps on the servers before the project's processes start; safe to repeat."""
    ports = options.ports

    def prepare_database(_cancelled: Event) -> None:
        from connectors.prepare import prepare_database
        from coupons.ledger.migrations import close_databases

        superuser = database_url(folder, ports, "postgres", "postgres")
        passwords = {f"coupon_{role}": folder.secret(f"coupon_{role}") for role in ROLES}
        prepare_database(superuser, DATABASE, passwords)
        # Each time: on a restored server, or one of an earlier version, they may be open to all.
        close_databases(superuser, OTHER_DATABASES)

    went_back: list[str] = []

    def compare_ledger(_cancelled: Event) -> None:
        from connectors.ledger_history import find_restore

        # Before Connect starts, and with it a connector that would write new heartbeats.
        went_back.extend(find_restore(stack_endpoints(folder, ports, "ops"), options.servers_only))

    def register_connector(_cancelled: Event) -> None:
        from connectors.register import register_unless_gap
        from coupons.kafka.client import KafkaClient

        endpoints = stack_endpoints(folder, ports, "cdc")
        register_unless_gap(endpoints, KafkaClient(endpoints[KAFKA]), bool(went_back))

    def correct_topics(_cancelled: Event) -> None:
        from connectors.topic_settings import TopicSettings
        from coupons.kafka.client import KafkaClient

        TopicSettings(KafkaClient(stack_endpoints(folder, ports, "cdc")[KAFKA])).correct()

    return [
        Step("topics", correct_topics, after=("kafka",)),
        Step("database", prepare_database, after=("postgres",)),
        Step("ledger", compare_ledger, after=("database", "valkey")),
        Step("connector", register_connector, after=("ledger", "registry", "connect", "topics")),
    ]
