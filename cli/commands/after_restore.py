"""`coupon after-restore`."""

import json
from collections.abc import Callable, Iterator
from datetime import datetime

import click

from cli.options import endpoints_option, json_option
from cli.session import open_session
from connectors.connect import Connect
from coupons.endpoints import Endpoints
from coupons.ledger.silent_sessions import WAITING_SECONDS
from operations.restore import Restored, after_restore
from stack.applications import application_parts
from stack.endpoints import folder_of
from stack.lifecycle import take_down
from stack.options import existing


@click.command("after-restore", short_help="Repair the rest after Postgres was restored.")
@endpoints_option("owner")
@click.option(
    "--stop",
    is_flag=True,
    help="Stop API, consumers and reconciler first; only for the embedded stack.",
)
@json_option
def command(where: Endpoints, stop: bool, as_json: bool) -> None:
    """Make Kafka, Connect and the gate consistent with a Postgres restored from a backup.

    Requests that the backup lacks are restored from Kafka's log, as far back as the topic keeps
    them. The connector's offsets are deleted. The gate's keys are deleted, and the reconciler
    rebuilds it. API, consumers and reconciler must be stopped. The command may be interrupted and
    repeated. It names what the topic's retention has removed already, for each partition.

    \b
    Exit code 0: done
              1: done, but requests are or may be lost: their coupon was created after the backup,
                 or retention removed records from after the backup; or processes still run
              3: a server does not answer

    \b
      coupon up --servers-only      elsewhere: start Postgres and registry, `coupon migrate`
      coupon after-restore --stop   elsewhere: stop those three, then without --stop
      coupon up                     elsewhere: start reconciler, consumers and API
      coupon connector recover --emit
      coupon verify --wait 60
    """
    notify = _quiet if as_json else click.echo
    if stop:
        _stop_applications(where, notify)
    with open_session(where, WAITING_SECONDS) as session:
        done = after_restore(
            session.connection,
            session.gate,
            Connect(where["COUPON_CONNECT_URL"]),
            where.kafka_client(),
            where["COUPON_SCHEMA_REGISTRY_URL"],
            notify,
        )
    if as_json:
        click.echo(
            json.dumps({**done._asdict(), "taken": _taken(done), "reaches": _iso(done.reaches)})
        )
    else:
        for line in _losses(done):
            click.echo(line)
    raise click.exceptions.Exit(0 if done.is_complete else 1)


def _stop_applications(where: Endpoints, notify: Callable[[str], None]) -> None:
    folder = folder_of(where)
    if folder is None:
        raise click.UsageError(
            "--stop is for the embedded stack: stop API, consumers and reconciler where they run,"
            " then repeat this without --stop"
        )
    names = [part.name for part in application_parts(folder, existing(folder))]
    with folder.locked():
        take_down(folder, names, lambda name, _: notify(f"stopped {name}"))


def _losses(done: Restored) -> Iterator[str]:
    for coupon_id, users in done.unknown.items():
        yield f"coupon {coupon_id} was created after the backup: {users} requests are lost"
    if done.undecodable:
        yield f"{done.undecodable} records are not requests and were skipped"
    if done.taken:
        reaches = f"{done.reaches:%Y-%m-%d %H:%M:%S} UTC" if done.reaches else "an unknown time"
        yield f"the ledger has everything up to {reaches}; the topic's retention has removed"
    for taken in done.taken:
        lost = (
            "requests from after the backup may be lost"
            if taken in done.out_of_reach
            else "the ledger has all of it"
        )
        yield f"  {taken}: {lost}"


def _taken(done: Restored) -> list[dict[str, object]]:
    return [
        {
            **each._asdict(),
            "since": _iso(each.since),
            "may_be_lost": each in done.out_of_reach,
        }
        for each in done.taken
    ]


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _quiet(_line: str) -> None:
    """With --json only the result is printed."""
