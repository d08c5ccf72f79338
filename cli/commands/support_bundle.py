"""`coupon support-bundle`."""

import json
from datetime import UTC, datetime
from pathlib import Path

import click

from cli.advice import with_commands_for_this_stack
from cli.options import endpoints_option, json_option
from coupons.endpoints import Endpoints
from operations.support_bundle.archive import HOLDS, gather, write_archive


@click.command("support-bundle", short_help="Write one archive for a bug report.")
@click.argument("file", type=click.Path(path_type=Path), required=False)
@endpoints_option("ops")
@json_option
def command(where: Endpoints, file: Path | None, as_json: bool) -> None:
    """Write what somebody needs who looks for a fault into one archive (tar.gz).

    FILE must not exist; by default it is coupon-support-TIME.tar.gz in this folder. Only its owner
    can read it. It holds versions, settings, the doctor's findings, the monitor's state, connector,
    gate and slot, the last log lines of every process of the embedded stack, and the machine.
    Passwords, keys and tokens are hidden.

    Ids of users, coupons and requests stay in it, because a fault cannot be followed through the
    logs without them. Read it before you send it, and send it to nobody who may not see these ids.

    It works while parts are down: README.txt in the archive names each thing that is missing, and
    why. It takes up to half a minute.

    \b
    Exit code 0: the archive is written, also when something is missing in it
              1: it cannot be written
              2: FILE exists, or there is no stack in the state folder

    \b
      coupon support-bundle
      coupon support-bundle /tmp/report.tar.gz
    """
    path = file or Path(f"coupon-support-{datetime.now(UTC):%Y%m%d-%H%M%S}.tar.gz")
    if path.exists():
        raise click.UsageError(f"{path} exists: name another file")
    bundle = gather(where)
    write_archive(bundle, path)
    if as_json:
        files = [{"name": name, "characters": len(text)} for name, text in bundle.files.items()]
        missing = [{"name": name, "why": why} for name, why in bundle.missing.items()]
        click.echo(json.dumps({"file": str(path), "contents": files, "missing": missing}))
        return
    click.echo(f"{path} is written. It holds {HOLDS}")
    for name, why in bundle.missing.items():
        click.echo(f"  missing: {name}: {with_commands_for_this_stack(why)}")
