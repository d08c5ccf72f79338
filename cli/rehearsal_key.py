"""`coupon rehearse key`."""

import json
from pathlib import Path

import click

from cli.new_keys import make_key
from cli.options import json_option
from coupons.tokens import REHEARSAL_ISSUER


@click.command("key", short_help="Make a key for tokens of synthetic users.")
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("public", type=click.Path(path_type=Path))
@json_option
def key_command(file: Path, public: Path, as_json: bool) -> None:
    """Make a private key in a new FILE, and its public key set (JWKS) in the file PUBLIC.

    For a system whose tokens come from an identity provider. The API gets the key set as that of
    the issuer `coupon-rehearsal`. It accepts its tokens for synthetic users only, who may claim and
    nothing else.

    \b
      coupon rehearse key rehearsal.pem rehearsal-jwks.json
    """
    keys = make_key(file)
    public.write_text(json.dumps(keys.key_set(), indent=1) + "\n", "utf-8")
    if as_json:
        click.echo(json.dumps({"file": str(file), "public": str(public), "kid": keys.kid}))
        return
    click.echo(f"{file} holds a new key; for the API: {REHEARSAL_ISSUER}={public}")
