"""The commands of `coupon client` about standby lists."""

from typing import Any

import click

from cli.client_options import client_command
from cli.options import COUPON_ID
from coupon_client import CouponClient

_coupon_argument = click.argument("coupon_id", type=COUPON_ID)


@client_command
@_coupon_argument
def join_line(client: CouponClient, coupon_id: int) -> Any:
    """Wait for a coupon that is sold out.

    \b
      coupon client join-line 3000
    """
    return client.join_line(coupon_id)


@client_command
@_coupon_argument
def read_line(client: CouponClient, coupon_id: int) -> Any:
    """Read where the user is in the line, or what became of it.

    \b
      coupon client read-line 3000
    """
    return client.read_line(coupon_id)


@client_command
@_coupon_argument
def leave_line(client: CouponClient, coupon_id: int) -> Any:
    """Wait no more.

    \b
      coupon client leave-line 3000
    """
    return client.leave_line(coupon_id)


@client_command
@_coupon_argument
def read_standby_list(client: CouponClient, coupon_id: int) -> Any:
    """Show how many wait for a coupon, as an administrator.

    \b
      coupon client read-standby-list 3000
    """
    return client.read_standby_list(coupon_id)


@client_command
@_coupon_argument
@click.argument("switch", type=click.Choice(["on", "off"]))
def switch_standby_list(client: CouponClient, coupon_id: int, switch: str) -> Any:
    """Give a coupon a standby list, or take it away, as an administrator.

    \b
      coupon client switch-standby-list 3000 on
    """
    return client.switch_standby_list(coupon_id, switch == "on")


STANDBY_COMMANDS = (
    *(join_line, read_line, leave_line),
    *(read_standby_list, switch_standby_list),
)
