"""`coupon connector register|status|restart|delete|schemas`."""

import json
import sys
from typing import Any

import click

from ops.addresses import Addresses
from ops.options import addresses_option, json_option

connect_option = click.option(
    "--connect-url",
    "connect_url",
    metavar="URL",
    help="Kafka Connect [default: the stack's].",
)
registry_option = click.option(
    "--registry-url",
    "registry_url",
    metavar="URL",
    help="Schema registry [default: the stack's].",
)


@click.group("connector", short_help="Register the Debezium connector and look after it.")
def command() -> None:
    """The connector that streams issue requests from Postgres to Kafka.

    \b
      coupon connector register    create it, or bring it up to date; waits until it runs
      coupon connector status      exit code 0 only if it and its task run
      coupon connector restart     after a failure whose cause is mended
    """


@command.command("register")
@addresses_option("cdc")
@connect_option
@click.option(
    "--kafka",
    "bootstrap_servers",
    metavar="HOST:PORT,...",
    help="Kafka, to make the topics [default: the stack's].",
)
@json_option
def register_command(
    where: Addresses, connect_url: str | None, bootstrap_servers: str | None, as_json: bool
) -> None:
    """Check the connector's settings, create or update it, and wait until it runs."""
    from connectors.register import register

    servers = bootstrap_servers or where["COUPON_KAFKA_BOOTSTRAP_SERVERS"]
    _show(register(_connect(where, connect_url), servers), as_json)


@command.command("status")
@addresses_option("cdc")
@connect_option
@json_option
def status_command(where: Addresses, connect_url: str | None, as_json: bool) -> None:
    """Show the connector and its task, and why they do not run."""
    from connectors.register import status

    state = status(_connect(where, connect_url))
    _show(state, as_json)
    sys.exit(0 if state.is_running else 1)


@command.command("restart")
@addresses_option("cdc")
@connect_option
@json_option
def restart_command(where: Addresses, connect_url: str | None, as_json: bool) -> None:
    """Restart the connector and its task, and wait until they run."""
    from connectors.register import restart

    _show(restart(_connect(where, connect_url)), as_json)


@command.command("delete")
@addresses_option("cdc")
@connect_option
@json_option
def delete_command(where: Addresses, connect_url: str | None, as_json: bool) -> None:
    """Remove the connector; its offsets and slot stay, so that `register` goes on without a gap."""
    from connectors.register import CONNECTOR_NAME, delete

    deleted = delete(_connect(where, connect_url))
    if as_json:
        click.echo(json.dumps({"deleted": deleted}))
    else:
        click.echo(f"{CONNECTOR_NAME}: {'deleted' if deleted else 'there was none'}")


@command.command("schemas")
@addresses_option("cdc")
@registry_option
@json_option
def schemas_command(where: Addresses, registry_url: str | None, as_json: bool) -> None:
    """Check that the consumer can read what the connector writes, by the registry's schemas."""
    from connectors.schemas import check_schemas

    faults = check_schemas(registry_url or where["COUPON_SCHEMA_REGISTRY_URL"])
    if as_json:
        click.echo(json.dumps(faults))
    else:
        for topic, fault in faults.items():
            click.echo(f"{topic}: {fault or 'readable'}")
    sys.exit(1 if any(faults.values()) else 0)


def _connect(where: Addresses, url: str | None) -> str:
    return url or where["COUPON_CONNECT_URL"]


def _show(state: Any, as_json: bool) -> None:
    if as_json:
        tasks = [task._asdict() for task in state.tasks]
        click.echo(json.dumps({**state._asdict(), "tasks": tasks, "running": state.is_running}))
        return
    for name, part in ((state.name, state), *((f"task {task.task}", task) for task in state.tasks)):
        click.echo(f"{name}: {part.state}" + (f" - {part.reason}" if part.reason else ""))
