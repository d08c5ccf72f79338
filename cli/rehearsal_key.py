"""`coupon rehearse key`."""

import json
from pathlib import Path

import click

from cli.new_keys import make_key
from cli.options import json_option
from coupons.errors import ConfigurationError
from coupons.tokens import REHEARSAL_ISSUER


@click.command("key", short_help="Make a key for tokens of synthetic users.")
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("public", type=click.Path(path_type=Path))
@json_option
def key_command(file: Path, public: Path, as_json: bool) -> None:
    """Make a private key in a new FILE, and its public key set (JWKS) in the file PUBLIC.

    For a system whose tokens come from an identity provider. The API gets the key set as that of
    the issuer `coupon-rehearsal`. It accepts its tokens for synthetic users only, who may do what
    users may: also claim coupons that are no rehearsals.

    \b
      coupon rehearse key rehearsal.pem rehearsal-jwks.json
    """
    if file.resolve() == public.resolve():
        raise ConfigurationError("FILE and PUBLIC are the same: give the key set a file of its own")
    try:
        made = public.open("x", encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(
            f"{public} cannot be made: {error.strerror}; a key set is never written over a file"
        ) from error
    with made:
        try:
            keys = make_key(file)
        except ConfigurationError:
            public.unlink()
            raise
        made.write(json.dumps(keys.key_set(), indent=1) + "\n")
    if as_json:
        click.echo(json.dumps({"file": str(file), "public": str(public), "kid": keys.kid}))
        return
    click.echo(f"{file} holds a new key; for the API: {REHEARSAL_ISSUER}={public}")
