"""`coupon after-restore`."""

import json

import click

from connectors.connect import Connect
from ops.addresses import Addresses, kafka_client
from ops.after_restore import after_restore
from ops.options import addresses_option, json_option
from ops.places import places
from ops.silence import WAITING_SECONDS


@click.command("after-restore", short_help="Mend the rest after Postgres was restored.")
@addresses_option("owner")
@json_option
def command(where: Addresses, as_json: bool) -> None:
    """Bring Kafka, Connect and the gate to terms with a Postgres restored from a backup.

    Requests that the backup does not have are written again from Kafka's log, as far back as the
    topic keeps them; the connector forgets its offsets; the gate is thrown away and rebuilt by the
    reconciler. API, consumers and reconciler must be stopped. It may be interrupted and repeated.

    \b
    Exit code 0: done; 1: done, but requests are left that cannot be written again, because their
    coupon was made after the backup; or processes still run; 3: a server does not answer.

    \b
      coupon migrate ...            roles, migrations and the slot, on the restored server
      coupon after-restore
      coupon up                     or start reconciler, consumers and API where they run
      coupon connector recover --emit
      coupon verify --wait 60
    """
    tell = _quiet if as_json else click.echo
    with places(where, WAITING_SECONDS) as here:
        done = after_restore(
            here.connection,
            here.gate,
            Connect(where["COUPON_CONNECT_URL"]),
            kafka_client(where),
            where["COUPON_SCHEMA_REGISTRY_URL"],
            tell,
        )
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
