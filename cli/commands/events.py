"""`coupon events start|stop|status|read`."""

import json
import sys
from contextlib import closing

import click

from cli.options import confirm, endpoints_option, json_option
from coupons.endpoints import Endpoints

LEDGER_SECONDS = 60.0
"""A slot is created only when no older transaction is open."""
NEWEST = 1_000
"""So many events one document has, unless more are asked for: it is made in memory."""


@click.group("events", short_help="Events of issued coupons for other services.")
def command() -> None:
    """Each change of an issued coupon as an event in Kafka, for a shop, a mailer, a warehouse.

    They are off until you turn them on: issuing then costs the machine more, because each issued
    coupon is streamed once more.

    \b
      coupon events start      turn them on, or repair them
      coupon events status     exit code 0 only if they arrive, or are off
      coupon events read       print them as they come, as CloudEvents
      coupon events stop       turn them off; Postgres keeps nothing for them
    """


@command.command("start")
@endpoints_option("cdc")
@json_option
def start_command(where: Endpoints, as_json: bool) -> None:
    """Turn the events on, or repair them: whatever is missing is made, what failed is restarted.

    They begin at this moment, or go on where they were. After a lost slot they begin now: events
    in between are missing, and the command says so.

    \b
      coupon events start
    """
    from connectors.connect import Connect
    from connectors.events import start_events
    from coupons.change_events.topics import EVENTS_TOPIC
    from coupons.ledger.connection import connect_ledger

    connect = Connect(where["COUPON_CONNECT_URL"])
    with closing(
        connect_ledger(where["COUPON_DATABASE_URL"], "coupon-events", LEDGER_SECONDS)
    ) as ledger:
        is_new = start_events(connect, where.kafka_client(), ledger)
    if as_json:
        click.echo(json.dumps({"topic": EVENTS_TOPIC, "begins_now": is_new}))
    elif is_new:
        click.echo(
            f"Events are written to {EVENTS_TOPIC} from now on, behind what was written before they"
            " were turned off. What happened meanwhile is not there."
        )
    else:
        click.echo(f"Events are written to {EVENTS_TOPIC}; they go on where they were.")


@command.command("stop")
@endpoints_option("cdc")
@click.option("--yes", is_flag=True, help="Do not ask before turning them off.")
@json_option
def stop_command(where: Endpoints, yes: bool, as_json: bool) -> None:
    """Turn the events off, and drop their slot. The topic and its records stay.

    \b
      coupon events stop
      coupon events stop --yes --json     for programs
    """
    from connectors.connect import Connect
    from connectors.events import stop_events
    from coupons.ledger.connection import connect_ledger

    if not yes:
        confirm("Nothing that happens until they start again becomes an event. Stop?", "Still on")
    connect = Connect(where["COUPON_CONNECT_URL"])
    with closing(
        connect_ledger(where["COUPON_DATABASE_URL"], "coupon-events", LEDGER_SECONDS)
    ) as ledger:
        was_on = stop_events(connect, ledger)
    if as_json:
        click.echo(json.dumps({"was_on": was_on}))
    else:
        click.echo("Events are off." if was_on else "Events were off.")


@command.command("status")
@endpoints_option("cdc")
@json_option
def status_command(where: Endpoints, as_json: bool) -> None:
    """Show whether the events are on, and why they do not arrive.

    \b
    Exit code 0: they arrive, or are off
              1: they do not arrive, or some are missing
              3: Kafka Connect or Postgres does not answer

    \b
      coupon events status
    """
    from connectors.connect import Connect
    from connectors.events import read_events
    from coupons.ledger.connection import connect_ledger

    connect = Connect(where["COUPON_CONNECT_URL"])
    with closing(connect_ledger(where["COUPON_DATABASE_URL"], "coupon-events")) as ledger:
        stream = read_events(connect, ledger)
    kept = stream.slot.retained_bytes
    if as_json:
        shown = {"on": not stream.is_off, "fault": stream.fault, "retained_bytes": kept}
        click.echo(json.dumps(shown))
    elif stream.is_off:
        click.echo("Events are off; `coupon events start` turns them on.")
    else:
        says = stream.fault or "they arrive"
        click.echo(f"Events are on: {says}; Postgres keeps {kept or 0:,} bytes of WAL for them.")
        if stream.fault:
            click.echo("Repair them with `coupon events start`.")
    sys.exit(0 if stream.fault is None else 1)


@command.command("read")
@endpoints_option("ops")
@click.option("--from-beginning", is_flag=True, help="Also those that the topic holds already.")
@click.option(
    "--count",
    type=click.IntRange(1),
    help=f"End after so many.  [default: never; with --json {NEWEST}]",
)
@json_option
def read_command(where: Endpoints, from_beginning: bool, count: int | None, as_json: bool) -> None:
    """Print events as they come, one JSON document a line (CloudEvents 1.0). Ends with Ctrl-C.

    With --json it prints one document, of the newest events that the topic holds already. A record
    that cannot be read is named and passed over.

    \b
      coupon events read
      coupon events read --from-beginning --count 10
      coupon events read --json     for programs
    """
    from coupons.change_events import SchemaRegistry
    from operations.coupon_events import Unreadable, follow_events, newest_events

    kafka = where.kafka_client()
    registry = SchemaRegistry(where["COUPON_SCHEMA_REGISTRY_URL"])
    if as_json:
        held, newest, unreadable = newest_events(kafka, registry, count or NEWEST)
        shown = [event.as_cloud_event() for event in newest]
        passed_over = [{"position": each.position, "why": each.why} for each in unreadable]
        click.echo(json.dumps({"in_topic": held, "events": shown, "unreadable": passed_over}))
        return
    printed = 0
    for event in follow_events(kafka, registry, from_beginning):
        if isinstance(event, Unreadable):
            click.echo(f"Passed over {event.position}: {event.why}", err=True)
        elif event is not None:
            click.echo(json.dumps(event.as_cloud_event()))
            printed += 1
            if printed == count:
                return
