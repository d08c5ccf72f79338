"""The commands of `coupon client` that erase users."""

from typing import Any

import click

from cli.client_options import client_command
from cli.options import USER_ID
from coupon_client import CouponClient


@client_command
@click.argument("user_id", type=USER_ID)
def erase_user(client: CouponClient, user_id: int) -> Any:
    """Erase a user for good, without asking, and print the proof.

    `coupon erase` also deletes their dead letters, and searches files of retired coupons.

    \b
      coupon client erase-user 4711
    """
    return client.erase_user(user_id)


@client_command
@click.argument("erasure_id")
def read_erasure(client: CouponClient, erasure_id: str) -> Any:
    """Print the proof of an erasure.

    \b
      coupon client read-erasure 0b8c6a52-7d5e-4f0e-9d3a-1c2b3d4e5f60
    """
    return client.read_erasure(erasure_id)


ERASURE_COMMANDS = (erase_user, read_erasure)
