"""`coupon verify`."""

import json

import click
from rich.console import Console

from coupons.gate import connect_gate
from coupons.ledger.connection import connect_ledger
from coupons.ledger.coupons import list_coupons
from ops.addresses import Addresses
from ops.options import addresses_option, json_option
from ops.rush.display import show_books
from ops.verify import Books, await_balanced_books


@click.command("verify", short_help="Check that nothing is lost and nothing is oversold.")
@addresses_option("ops")
@click.option("--coupon", "coupon_id", type=click.IntRange(min=1), help="Only this one.")
@click.option(
    "--wait",
    type=click.FloatRange(min=0),
    default=0.0,
    show_default=True,
    help="Seconds that requests in flight may take to become final.",
)
@json_option
def command(where: Addresses, coupon_id: int | None, wait: float, as_json: bool) -> None:
    """Compare every request in Postgres with the gate, and count the books of each coupon.

    Exit code 0 only when everything adds up: accepted = issued + rejected + in flight, nothing in
    flight any more, nothing beyond the total, and the gate tells the same of every request.

    \b
      coupon verify
      coupon verify --coupon 7 --wait 30
    """
    gate = connect_gate(where["COUPON_REDIS_URL"])
    with connect_ledger(where["COUPON_DATABASE_URL"], "coupon-verify") as connection:
        ids = [coupon_id] if coupon_id else [each.coupon_id for each in list_coupons(connection)]
        checked = [await_balanced_books(gate, connection, each, wait) for each in ids]
    books = [each for each in checked if each is not None]
    if len(books) < len(ids):
        raise click.ClickException(f"there is no coupon {coupon_id}")
    if as_json:
        click.echo(json.dumps([_as_json(each) for each in books]))
    else:
        _show(books)
    if any(each.complaints for each in books):
        raise click.exceptions.Exit(1)


def _show(books: list[Books]) -> None:
    console = Console(highlight=False)
    for each in books:
        console.print(f"[bold]Coupon {each.coupon_id}[/]")
        show_books(console, each)
    if not books:
        console.print("There are no coupons.")


def _as_json(books: Books) -> dict[str, object]:
    return {
        "coupon_id": books.coupon_id,
        "ledger": books.counts._asdict(),
        "gate": books.figures and books.figures._asdict(),
        "complaints": books.complaints,
    }
