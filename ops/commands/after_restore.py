"""`coupon after-restore`."""

import json
import os
from contextlib import closing

import click

from ops.options import json_option, state_option
from stack.folder import StateFolder


@click.command("after-restore", short_help="Mend the rest after Postgres was restored.")
@state_option
@json_option
def command(folder: StateFolder, as_json: bool) -> None:
    """Bring Kafka, Connect and the gate to terms with a Postgres restored from a backup.

    Requests that the backup does not have are written again from Kafka's log, as far back as the
    topic keeps them; the connector forgets its offsets; the gate is thrown away and rebuilt by the
    reconciler. API, consumers and reconciler must be stopped. It may be interrupted and repeated.

    Works on the embedded stack in --state, or without one on what COUPON_* variables point at
    (COUPON_DATABASE_URL as the role coupon_owner). Exit code 1 when requests are left that cannot
    be written again, because their coupon was made after the backup.

    \b
      coupon migrate ...            roles, migrations and the slot, on the restored server
      coupon after-restore
      coupon up                     or start reconciler, consumers and API where they run
      coupon connector recover --emit
      coupon verify --wait 60
    """
    from connectors.connect import Connect
    from coupons.gate import connect_gate
    from coupons.ledger.connection import connect_ledger
    from ops.addresses import addresses, kafka_client
    from ops.after_restore import after_restore
    from ops.choices import remembered

    choices = remembered(folder)
    where = os.environ if choices is None else addresses(folder, choices.ports, "owner")
    try:
        kafka = kafka_client(where, embedded=choices is not None)
        connect, registry_url = where["COUPON_CONNECT_URL"], where["COUPON_SCHEMA_REGISTRY_URL"]
        gate = connect_gate(where["COUPON_REDIS_URL"])
        ledger = connect_ledger(where["COUPON_DATABASE_URL"], "coupon-after-restore")
    except KeyError as error:
        raise click.UsageError(f"{error.args[0]} is not set, and there is no stack") from None
    tell = _quiet if as_json else click.echo
    with closing(ledger) as connection:
        done = after_restore(connection, gate, Connect(connect), kafka, registry_url, tell)
    if as_json:
        click.echo(json.dumps(done._asdict()))
    else:
        for coupon_id, users in done.unknown.items():
            click.echo(f"coupon {coupon_id} was made after the backup: {users} requests are lost")
        if done.undecodable:
            click.echo(f"{done.undecodable} records are no requests and were passed over")
    raise click.exceptions.Exit(1 if done.unknown else 0)


def _quiet(_line: str) -> None:
    """Programs read the result only."""
