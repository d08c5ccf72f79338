"""`coupon connector register|status|restart|recover|delete|schemas`."""

import json
import os
import sys
from typing import Any

import click

from cli.advice import with_commands_for
from cli.options import SecondsRange, confirm, endpoints_option, json_option
from coupons.endpoints import Endpoints
from coupons.errors import ConfigurationError
from coupons.links.web import WebService
from stack.endpoints import folder_of

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
kafka_option = click.option(
    "--kafka",
    "bootstrap_servers",
    metavar="HOST:PORT,...",
    help="Kafka, to create the topics [default: the stack's].",
)


@click.group("connector", short_help="Register, check and recover the Debezium connector.")
def command() -> None:
    """The connector that streams issue requests from Postgres to Kafka.

    \b
      coupon connector register    create or update it, and wait until it runs
      coupon connector status      exit code 0 only if it and its task run
      coupon connector restart     after a failure whose cause is repaired
      coupon connector recover     repair a lost or damaged connector, slot or offsets
    """


@command.command("register")
@endpoints_option("cdc")
@connect_option
@kafka_option
@json_option
def register_command(
    where: Endpoints, connect_url: str | None, bootstrap_servers: str | None, as_json: bool
) -> None:
    """Check the connector's settings, create or update it, and wait until it runs.

    \b
      coupon connector register
      coupon connector register --connect-url http://connect:8083 --kafka kafka:9092
    """
    from connectors.register import register

    kafka = where.kafka_client(bootstrap_servers)
    _show(register(_connect(where, connect_url), kafka), as_json)


@command.command("status")
@endpoints_option("cdc")
@connect_option
@json_option
def status_command(where: Endpoints, connect_url: str | None, as_json: bool) -> None:
    """Show the state of the connector and its task, and why they do not run.

    \b
    Exit code 0: both run
              1: they do not, or there is no connector
              3: Kafka Connect does not answer

    \b
      coupon connector status
      coupon connector status --json
    """
    from connectors.lifecycle import status

    state = status(_connect(where, connect_url))
    _show(state, as_json)
    sys.exit(0 if state.is_running else 1)


@command.command("restart")
@endpoints_option("cdc")
@connect_option
@json_option
def restart_command(where: Endpoints, connect_url: str | None, as_json: bool) -> None:
    """Restart the connector and its task, and wait until they run.

    \b
      coupon connector restart
    """
    from connectors.lifecycle import restart

    _show(restart(_connect(where, connect_url)), as_json)


@command.command("recover")
@endpoints_option("cdc")
@connect_option
@kafka_option
@click.option(
    "--database-url",
    metavar="URL",
    help="Postgres as coupon_cdc [default: the stack's].",
)
@click.option("--dry-run", is_flag=True, help="Show what is wrong and change nothing.")
@click.option(
    "--emit",
    is_flag=True,
    help="Republish requests that are not final, even if nothing seems lost.",
)
@click.option(
    "--wait",
    type=SecondsRange(min=0),
    default=60.0,
    show_default=True,
    help="Seconds that requests from before may take to become final.",
)
@json_option
def recover_command(
    where: Endpoints,
    connect_url: str | None,
    bootstrap_servers: str | None,
    database_url: str | None,
    dry_run: bool,
    emit: bool,
    wait: float,
    as_json: bool,
) -> None:
    """Repair the change stream without a gap, whatever was lost: slot, offsets or both.

    Creates the replication slot again when it is missing or lost its WAL, and republishes every
    request without a final status. Then it restarts the connector from the slot. Each step is done
    only if it is needed. No user is issued a coupon twice, because the consumer knows what it has
    issued. The command may be interrupted and repeated. Claims may go on meanwhile.

    Exit code 0 only if the connector runs and every request from before is final.

    \b
      coupon connector recover --dry-run
      coupon connector recover
      coupon connector recover --emit --wait 300
    """
    from connectors.recovery import RecoverySettings, plan, recover
    from coupons.change_events.kafka_admin import GROUP

    system = RecoverySettings(
        _connect(where, connect_url),
        where.kafka_client(bootstrap_servers),
        database_url or where["COUPON_DATABASE_URL"],
        _registry(where),
        os.environ.get("COUPON_CONSUMER_GROUP", GROUP),
    )
    done = (
        plan(system) if dry_run else recover(system, emit, wait, _quiet if as_json else click.echo)
    )
    click.echo(
        json.dumps(done._asdict()) if as_json else with_commands_for(str(done), folder_of(where))
    )
    sys.exit(0 if done.is_well else 1)


@command.command("delete")
@endpoints_option("cdc")
@connect_option
@click.option("--yes", is_flag=True, help="Do not ask before deleting.")
@json_option
def delete_command(where: Endpoints, connect_url: str | None, yes: bool, as_json: bool) -> None:
    """Remove the connector. Its offsets and slot stay, so `register` continues without a gap.

    \b
      coupon connector delete
      coupon connector delete --yes --json     for programs
    """
    from connectors.lifecycle import CONNECTOR_NAME, delete

    url = _connect(where, connect_url)
    if not yes:
        says = f"No request becomes final until it is registered again. Delete {CONNECTOR_NAME}"
        confirm(f"{says} at {WebService(url).url}?", "Nothing was removed")
    deleted = delete(url)
    if as_json:
        click.echo(json.dumps({"deleted": deleted}))
    else:
        click.echo(f"{CONNECTOR_NAME}: {'deleted' if deleted else 'there was no connector'}")


@command.command("schemas")
@endpoints_option("cdc")
@registry_option
@json_option
def schemas_command(where: Endpoints, registry_url: str | None, as_json: bool) -> None:
    """Check by the registry's schemas that the consumer can read what the connector writes.

    \b
    Exit code 0: it can
              1: it cannot
              3: the schema registry does not answer

    \b
      coupon connector schemas
    """
    from connectors.schemas import check_schemas

    reasons = check_schemas(registry_url or where["COUPON_SCHEMA_REGISTRY_URL"])
    if as_json:
        click.echo(json.dumps(reasons))
    else:
        for topic, reason in reasons.items():
            click.echo(f"{topic}: {reason or 'readable'}")
    sys.exit(1 if any(reasons.values()) else 0)


def _connect(where: Endpoints, url: str | None) -> str:
    return url or where["COUPON_CONNECT_URL"]


def _registry(where: Endpoints) -> str | None:
    """The registry is only asked whether it lost its schemas; None skips that."""
    try:
        return where["COUPON_SCHEMA_REGISTRY_URL"]
    except ConfigurationError:
        return None


def _quiet(_line: str) -> None:
    """With --json only the result is printed."""


def _show(state: Any, as_json: bool) -> None:
    if as_json:
        tasks = [task._asdict() for task in state.tasks]
        click.echo(json.dumps({**state._asdict(), "tasks": tasks, "running": state.is_running}))
        return
    for name, part in ((state.name, state), *((f"task {task.task}", task) for task in state.tasks)):
        click.echo(f"{name}: {part.state}" + (f" - {part.reason}" if part.reason else ""))
