"""`coupon migrate`."""

import json
from pathlib import Path

import click

from cli.options import FOLDER, json_option
from connectors.prepare import prepare_database
from coupons.endpoints import password_of
from coupons.ledger.migrations import create_database
from coupons.ledger.roles import DATABASE, ROLES


@click.command("migrate", short_help="Prepare a Postgres server for the project.")
@click.option(
    "--superuser-url",
    metavar="URL",
    envvar="COUPON_SUPERUSER_URL",
    required=True,
    help="The server, as a superuser (postgresql://postgres@host:port/postgres).",
)
@click.option(
    "--passwords",
    metavar="FOLDER",
    envvar="COUPON_PASSWORDS_DIR",
    type=FOLDER,
    required=True,
    help="Folder with one password file for each role, named after the role.",
)
@json_option
def command(superuser_url: str, passwords: Path, as_json: bool) -> None:
    """Create the roles, databases, tables and the replication slot that are missing.

    Sets every role's password to the one in its file. Run it before anything else starts, and again
    for each new version. The superuser's password may also come from PGPASSWORD.

    \b
      coupon migrate --superuser-url postgresql://postgres@db/postgres --passwords /run/secrets
    """
    roles = [f"coupon_{role}" for role in ROLES]
    prepare_database(
        superuser_url, DATABASE, {role: password_of(passwords, role) for role in roles}
    )
    create_database(superuser_url, "registry", "coupon_registry")
    click.echo(json.dumps({"ready": True}) if as_json else "The database is ready.")
