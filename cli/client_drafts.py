"""The command of `coupon client` that discards a draft."""

from typing import Any

import click

from cli.client_options import client_command
from cli.options import COUPON_ID
from coupon_client import CouponClient


@client_command
@click.argument("coupon_id", type=COUPON_ID)
@click.option("--version", type=click.IntRange(min=1), required=True, help="As it was read.")
def discard_draft(client: CouponClient, coupon_id: int, version: int) -> Any:
    """Discard the version of a draft that you have read, for good, without asking.

    Its codes, its list of users and its waiting room go with it.

    \b
      coupon client discard-draft 3000 --version 1795360000123457
    """
    return client.discard_draft(coupon_id, version)


DRAFT_COMMANDS = (discard_draft,)
