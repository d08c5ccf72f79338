"""`coupon client`: each call of the API as a command; those of users and tills are here."""

from typing import Any

import click

from cli.client_audiences import AUDIENCE_COMMANDS
from cli.client_coupons import ADMINISTRATOR_COMMANDS
from cli.client_drafts import DRAFT_COMMANDS
from cli.client_erasures import ERASURE_COMMANDS
from cli.client_options import client_command, limit_option
from cli.client_rooms import ROOM_COMMANDS
from cli.client_standby import STANDBY_COMMANDS
from cli.options import COUPON_ID, Seconds
from coupon_client import CouponClient

_issued_argument = click.argument("issued_coupon_id")
_order_argument = click.argument("order_reference")


@client_command
@click.argument("coupon_id", type=COUPON_ID)
@click.option("--wait", type=Seconds(min=0), help="Seconds to wait until the request is final.")
def claim_coupon(client: CouponClient, coupon_id: int, wait: float | None) -> Any:
    """Claim a coupon for the token's user; again: the same request.

    It ends with 0 whatever the status of the request is: read it.

    \b
      coupon client claim-coupon 3000 --wait 10
    """
    request = client.claim_coupon(coupon_id)
    return request if wait is None else client.wait_for_result(request.id, wait)


@client_command
@click.argument("request_id")
def read_request(client: CouponClient, request_id: str) -> Any:
    """Read an issue request.

    \b
      coupon client read-request 00000000-0000-800e-8000-000000001267
    """
    return client.read_request(request_id)


@client_command
@click.argument("coupon_id", type=COUPON_ID)
def read_own_timeline(client: CouponClient, coupon_id: int) -> Any:
    """Read what became of the user's claim, or why one is refused now.

    \b
      coupon client read-own-timeline 3000
    """
    return client.read_own_timeline(coupon_id)


@client_command
@click.argument("request_id")
def read_timeline(client: CouponClient, request_id: str) -> Any:
    """Read what became of an issue request, with each moment.

    \b
      coupon client read-timeline 00000000-0000-800e-8000-000000001267
    """
    return client.read_timeline(request_id)


@client_command
@click.argument("request_id")
@click.option("--wait", type=Seconds(min=0), default=30.0, show_default=True, help="In seconds.")
def wait_for_result(client: CouponClient, request_id: str, wait: float) -> Any:
    """Read an issue request once it is final, or as it is after --wait.

    \b
      coupon client wait-for-result 00000000-0000-800e-8000-000000001267 --wait 60
    """
    return client.wait_for_result(request_id, wait)


@client_command
@click.option("--only", "state", help="active, used, expired or revoked [default: all].")
@click.option("--coupon", "coupon_id", type=COUPON_ID, help="Only the one of this coupon.")
@limit_option
def list_own_coupons(client: CouponClient, state: str | None, coupon_id: int | None) -> Any:
    """List the issued coupons of the token's user, newest first.

    \b
      coupon client list-own-coupons --only active
    """
    return client.list_own_coupons(state, coupon_id)


@client_command
@_issued_argument
def read_issued_coupon(client: CouponClient, issued_coupon_id: str) -> Any:
    """Read an issued coupon; it has the id of its request.

    \b
      coupon client read-issued-coupon 00000000-0000-800e-8000-000000001267
    """
    return client.read_issued_coupon(issued_coupon_id)


@client_command
@_issued_argument
@limit_option
def list_changes_of_issued_coupon(client: CouponClient, issued_coupon_id: str) -> Any:
    """List what became of an issued coupon, oldest first.

    \b
      coupon client list-changes-of-issued-coupon 00000000-0000-800e-8000-000000001267
    """
    return client.list_changes_of_issued_coupon(issued_coupon_id)


@client_command
@_issued_argument
@_order_argument
def use_issued_coupon(client: CouponClient, issued_coupon_id: str, order_reference: str) -> Any:
    """Use an issued coupon for an order; for the same order again: the same answer.

    \b
      coupon client use-issued-coupon 00000000-0000-800e-8000-000000001267 order-17
    """
    return client.use_issued_coupon(issued_coupon_id, order_reference)


@client_command
@_issued_argument
@_order_argument
def cancel_use(client: CouponClient, issued_coupon_id: str, order_reference: str) -> Any:
    """Cancel the use by an order, as a till.

    \b
      coupon client cancel-use 00000000-0000-800e-8000-000000001267 order-17
    """
    return client.cancel_use(issued_coupon_id, order_reference)


@client_command
@_issued_argument
@click.option("--reason", required=True, help="Why. The user can read it.")
def revoke_issued_coupon(client: CouponClient, issued_coupon_id: str, reason: str) -> Any:
    """Revoke an issued coupon for good, as an administrator.

    \b
      coupon client revoke-issued-coupon 00000000-0000-800e-8000-000000001267 --reason "a mistake"
    """
    return client.revoke_issued_coupon(issued_coupon_id, reason)


@client_command
@_issued_argument
def read_receipt(client: CouponClient, issued_coupon_id: str) -> Any:
    """Print a signed receipt of one's own issued coupon; `coupon receipt verify` checks it.

    \b
      coupon client read-receipt 00000000-0000-800e-8000-000000001267
    """
    return client.read_receipt(issued_coupon_id)


@client_command
def read_keys(client: CouponClient) -> Any:
    """Print the public keys that check receipts.

    \b
      coupon client read-keys --json
    """
    return client.read_keys()


@client_command
@_issued_argument
def give_code(client: CouponClient, issued_coupon_id: str) -> Any:
    """Print the code of one's own issued coupon, the same each time.

    \b
      coupon client give-code 00000000-0000-800e-8000-000000001267
    """
    return client.give_code(issued_coupon_id)


@client_command
@click.argument("code")
def find_code(client: CouponClient, code: str) -> Any:
    """Find the issued coupon of a code, as a till.

    \b
      coupon client find-code 3Z4ND-NEZDR-635QM
    """
    return client.find_code(code)


_USER_COMMANDS = (
    claim_coupon,
    read_request,
    read_own_timeline,
    read_timeline,
    wait_for_result,
    list_own_coupons,
    read_issued_coupon,
    list_changes_of_issued_coupon,
    use_issued_coupon,
    cancel_use,
    revoke_issued_coupon,
    read_receipt,
    read_keys,
    give_code,
    find_code,
)


@click.group(
    "client",
    commands=[
        *(*_USER_COMMANDS, *ROOM_COMMANDS, *STANDBY_COMMANDS),
        *(*ADMINISTRATOR_COMMANDS, *DRAFT_COMMANDS, *AUDIENCE_COMMANDS, *ERASURE_COMMANDS),
    ],
    short_help="Call the API as a user, a till or an administrator.",
)
def command() -> None:
    """Call the API. Each command is the operation of that name in docs/reference/calls.md.

    The token is in COUPON_TOKEN, or in the file of --token-file. A call that may be repeated
    without doing it twice is repeated until --within is over.

    \b
      export COUPON_TOKEN=$(coupon token --user 4711)
      coupon client claim-coupon 3000     claim it for user 4711
      coupon client list-own-coupons      what user 4711 has
      coupon client list-coupons --json   the newest coupons, as an administrator

    \b
    Exit codes 1: the API refused, such as a coupon that is sold out
               2: no token, a wrong one, or what is named does not exist
               3: the API does not answer, or cannot now
    """
