"""The commands of `coupon client` for waiting rooms."""

from typing import Any, Literal

import click

from cli.client_options import client_command
from cli.options import COUPON_ID, VERSION, Seconds
from coupon_client import CouponClient

_coupon_argument = click.argument("coupon_id", type=COUPON_ID)
_ticket_option = click.option("--ticket", help="Of an earlier answer.")
_version_option = click.option("--version", type=VERSION, required=True, help="As it was read.")


@client_command
@_coupon_argument
@_ticket_option
def arrive(client: CouponClient, coupon_id: int, ticket: str | None) -> Any:
    """Arrive in the waiting room of a coupon; again: the same position.

    \b
      coupon client arrive 3000
    """
    return client.arrive(coupon_id, ticket)


@client_command
@_coupon_argument
def read_position(client: CouponClient, coupon_id: int) -> Any:
    """Show where the user waits.

    \b
      coupon client read-position 3000
    """
    return client.read_position(coupon_id)


@client_command
@_coupon_argument
@_ticket_option
@click.option(
    "--wait",
    type=Seconds(min=0),
    default=3_600.0,
    show_default=True,
    help="Seconds to wait at most.",
)
def wait_for_turn(client: CouponClient, coupon_id: int, ticket: str | None, wait: float) -> Any:
    """Arrive in the waiting room of a coupon, and wait until the user may claim.

    It ends with 0, too, when the turn comes later than --wait: read `is_your_turn`.

    \b
      coupon client wait-for-turn 3000 --wait 600
    """
    return client.wait_for_turn(coupon_id, ticket, wait)


@client_command
@_coupon_argument
def read_waiting_room(client: CouponClient, coupon_id: int) -> Any:
    """Show the settings of a waiting room, and its lot once it is drawn.

    \b
      coupon client read-waiting-room 3000
    """
    return client.read_waiting_room(coupon_id)


@client_command
@_coupon_argument
@_version_option
@click.argument("admits_per_second", type=click.IntRange(1, 99_999))
@click.option(
    "--order", type=click.Choice(["arrival", "lot"]), default="arrival", show_default=True
)
def set_waiting_room(
    client: CouponClient,
    coupon_id: int,
    version: int,
    admits_per_second: int,
    order: Literal["arrival", "lot"],
) -> Any:
    """Set the waiting room of a coupon, before it opens. It is sent once.

    \b
      coupon client set-waiting-room 3000 200 --order lot --version 1795360000123457
    """
    return client.set_waiting_room(coupon_id, version, admits_per_second, order)


@client_command
@_coupon_argument
@_version_option
def remove_waiting_room(client: CouponClient, coupon_id: int, version: int) -> Any:
    """Take the waiting room of a coupon away. It is sent once.

    \b
      coupon client remove-waiting-room 3000 --version 1795360000123457
    """
    return client.remove_waiting_room(coupon_id, version)


ROOM_COMMANDS = (
    arrive,
    read_position,
    wait_for_turn,
    read_waiting_room,
    set_waiting_room,
    remove_waiting_room,
)
