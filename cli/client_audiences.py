"""The commands of `coupon client` about audiences: who may claim a coupon."""

import sys
from pathlib import Path
from typing import Any

import click

from cli.client_options import client_command
from cli.options import COUPON_ID, FILE
from coupon_client import AudienceUpload, CouponClient, CouponClientError

_coupon_argument = click.argument("coupon_id", type=COUPON_ID)


@client_command
@_coupon_argument
def read_audience(client: CouponClient, coupon_id: int) -> Any:
    """Show who may claim a coupon: everybody, or the users of a list.

    \b
      coupon client read-audience 3000
    """
    return client.read_audience(coupon_id)


@client_command
@_coupon_argument
def remove_audience(client: CouponClient, coupon_id: int) -> Any:
    """Let everybody claim a coupon again; its list is gone.

    \b
      coupon client remove-audience 3000
    """
    return client.remove_audience(coupon_id)


@client_command
@_coupon_argument
@click.argument("file", type=FILE)
@click.option("--header/--no-header", "has_header", default=None, help="Of a file .csv.")
@click.option("--resume", help="The id of an upload of this file that was cut off.")
def upload_audience(
    client: CouponClient, coupon_id: int, file: Path, has_header: bool | None, resume: str | None
) -> Any:
    """Open a coupon to the users of a file only, one id a line, or a .csv.

    The list before it stays in force until the end. What says how to go on is written to stderr.

    \b
      coupon client upload-audience 3000 users.csv --header
      coupon client upload-audience 3000 users.csv --resume UPLOAD
    """
    begun: list[AudienceUpload] = []

    def show(upload: AudienceUpload, size: int) -> None:
        begun[:] = [upload]
        if sys.stderr.isatty():
            click.echo(f"{upload.offset:,} of {size:,} bytes, {upload.listed:,} users", err=True)

    try:
        return client.upload_audience(coupon_id, file, has_header, resume, show)
    except CouponClientError as error:
        if begun and error.is_passing:
            click.echo(f"It goes on with --resume {begun[0].id}", err=True)
        raise


AUDIENCE_COMMANDS = (read_audience, remove_audience, upload_audience)
