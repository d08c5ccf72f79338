"""`coupon connector register|status|restart|recover|delete|schemas`."""

import json
import os
import sys
from typing import Any

import click

from cli.advice import told
from cli.options import confirm, endpoints_option, json_option
from coupons.endpoints import Endpoints
from coupons.errors import ConfigurationError
from coupons.web import WebService
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
    help="Kafka, to make the topics [default: the stack's].",
)


@click.group("connector", short_help="Register the Debezium connector and look after it.")
def command() -> None:
    """The connector that streams issue requests from Postgres to Kafka.

    \b
      coupon connector register    create it, or bring it up to date; waits until it runs
      coupon connector status      exit code 0 only if it and its task recover
      coupon connector restart     after a failure whose cause is mended
      coupon connector recover     the way back, whatever happened to it, its slot or its offsets
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
    """Show the connector and its task, and why they do not recover.

    \b
    Exit code 0: both recover; 1: they do not, or there is none; 3: Kafka Connect does not answer

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
    """Restart the connector and its task, and wait until they recover.

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
@click.option("--dry-recover", is_flag=True, help="Say what is wrong, and change nothing.")
@click.option(
    "--emit",
    is_flag=True,
    help="Send what is not final to Kafka again, even if nothing looks lost.",
)
@click.option(
    "--wait",
    type=click.FloatRange(min=0),
    default=60.0,
    show_default=True,
    help="Seconds in which requests that were there may become final.",
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
    """Bring the change stream back without a gap, whatever was lost: slot, offsets or both.

    Makes the replication slot anew when it is missing or lost its WAL, then has every request
    without a final status streamed again, makes the connector begin at the slot, and registers,
    resumes or restarts it, as far as each is needed. Nobody is issued twice: the consumer knows
    what it has issued. It may be interrupted and repeated. Claims may go on meanwhile.

    Exit code 0 only if the connector runs and every request that was there is final.

    \b
      coupon connector recover --dry-recover
      coupon connector recover
      coupon connector recover --emit --wait 300
    """
    from connectors.recovery import RecoverySettings, plan, recover
    from coupons.kafka_admin import GROUP

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
    click.echo(json.dumps(done._asdict()) if as_json else told(str(done), folder_of(where)))
    sys.exit(0 if done.is_well else 1)


@command.command("delete")
@endpoints_option("cdc")
@connect_option
@click.option("--yes", is_flag=True, help="Do not ask before deleting.")
@json_option
def delete_command(where: Endpoints, connect_url: str | None, yes: bool, as_json: bool) -> None:
    """Remove the connector; its offsets and slot stay, so that `register` goes on without a gap.

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
        click.echo(f"{CONNECTOR_NAME}: {'deleted' if deleted else 'there was none'}")


@command.command("schemas")
@endpoints_option("cdc")
@registry_option
@json_option
def schemas_command(where: Endpoints, registry_url: str | None, as_json: bool) -> None:
    """Check that the consumer can read what the connector writes, by the registry's schemas.

    \b
    Exit code 0: it can; 1: it cannot; 3: the schema registry does not answer

    \b
      coupon connector schemas
    """
    from connectors.schemas import check_schemas

    faults = check_schemas(registry_url or where["COUPON_SCHEMA_REGISTRY_URL"])
    if as_json:
        click.echo(json.dumps(faults))
    else:
        for topic, fault in faults.items():
            click.echo(f"{topic}: {fault or 'readable'}")
    sys.exit(1 if any(faults.values()) else 0)


def _connect(where: Endpoints, url: str | None) -> str:
    return url or where["COUPON_CONNECT_URL"]


def _registry(where: Endpoints) -> str | None:
    """It is asked only whether it has lost its schemas: no address of it, no answer."""
    try:
        return where["COUPON_SCHEMA_REGISTRY_URL"]
    except ConfigurationError:
        return None


def _quiet(_line: str) -> None:
    """Programs read the result only."""


def _show(state: Any, as_json: bool) -> None:
    if as_json:
        tasks = [task._asdict() for task in state.tasks]
        click.echo(json.dumps({**state._asdict(), "tasks": tasks, "running": state.is_running}))
        return
    for name, part in ((state.name, state), *((f"task {task.task}", task) for task in state.tasks)):
        click.echo(f"{name}: {part.state}" + (f" - {part.reason}" if part.reason else ""))
