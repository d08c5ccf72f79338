"""`coupon receipt verify|key`."""

import json
from datetime import UTC, datetime
from pathlib import Path

import click

from cli.new_keys import make_key
from cli.options import json_option
from coupons.errors import ConfigurationError
from coupons.links.key_sets import read_key_set
from coupons.receipts import (
    ISSUER,
    LONGEST_RECEIPT,
    read_receipt,
)


@click.group("receipt", short_help="Check a receipt offline; make a key.")
def command() -> None:
    """Receipts: signed statements of an issued coupon, which a till checks without the API.

    \b
      coupon receipt verify receipt.jwt --keys jwks.json   valid now, or why it is not
      coupon receipt key receipt.pem                       a new key that signs receipts
    """


@command.command("verify")
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True), default="-")
@click.option(
    "--keys",
    "source",
    metavar="FILE|URL",
    required=True,
    help="The public keys: a copy of the API's /.well-known/jwks.json, or its URL.",
)
@click.option("--issuer", default=ISSUER, show_default=True, help="Who must have signed it.")
@json_option
def verify_command(file: Path, source: str, issuer: str, as_json: bool) -> None:
    """Check a receipt, and print what it says. FILE: the receipt; - or nothing: standard input.

    With the keys in a file, no network is needed. A receipt says what was true when it was signed.
    Whether the coupon was used since, only the API knows; so a receipt is valid for minutes.

    \b
      coupon receipt verify receipt.jwt --keys jwks.json
      coupon receipt verify --keys https://coupons.example/.well-known/jwks.json --json

    \b
    Exit code 0: it is valid now
              1: it is not valid: changed, forged, too old, or no receipt
              2: the keys or the receipt cannot be read
              3: the URL of the keys does not answer
    """
    keys = read_key_set(source)
    claims = read_receipt(_read(file), keys, issuer)
    if as_json:
        click.echo(json.dumps(claims))
        return
    click.echo(f"Valid until {_moment(claims['exp'])}: signed at {_moment(claims['iat'])}")
    click.echo(f"Issued coupon {claims['sub']}")
    for name in ("coupon_id", "coupon_name", "issued_at", "expires_at", "discount"):
        click.echo(f"  {name:<12} {json.dumps(claims.get(name), ensure_ascii=False)}")


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _read(file: Path) -> str:
    try:
        with click.open_file(str(file), "rb") as opened:
            text: bytes = opened.read(LONGEST_RECEIPT + 1)
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be read: {error.strerror}") from error
    return text.decode("ascii", "replace").strip()


@command.command("key")
@click.argument("file", type=click.Path(path_type=Path))
@json_option
def key_command(file: Path, as_json: bool) -> None:
    """Make a key that signs receipts, in a new FILE that only its owner can read.

    \b
      coupon receipt key receipt.pem

    COUPON_RECEIPT_KEY_FILE names the file to the API. The file may hold several keys, one after the
    other: the first signs, all are published.
    """
    kid = make_key(file).kid
    result = {"file": str(file), "kid": kid}
    click.echo(json.dumps(result) if as_json else f"{file} holds a new key; its id is {kid}")
