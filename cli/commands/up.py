"""`coupon up`."""

import json
import time

import click
from rich.console import Console

from cli.advice import runnable, with_commands_for
from cli.exit_codes import Interrupted
from cli.options import json_option, state_option
from cli.page_link import page_link
from cli.starting import start_stack
from stack.endpoints import StackEndpoints, stack_endpoints
from stack.errors import PartFailedError
from stack.folder import StateFolder
from stack.interrupts import interrupted_once
from stack.options import FIRST_FREE, choose, remembered, why_moved

_STOPPED = "Everything that this call started is stopped again."


def _ports(_ctx: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    words = (None, "auto", FIRST_FREE)
    if value in words or (value and value[0] in "+-" and value[1:].isdecimal()):
        return value
    raise click.BadParameter(
        f"give `auto`, `{FIRST_FREE}`, or what to add to every default port, such as +100"
    )


def _single_ports(
    _ctx: click.Context, _option: click.Parameter, values: tuple[str, ...]
) -> dict[str, int]:
    pairs = [value.partition("=") for value in values]
    for value, (_, _, number) in zip(values, pairs, strict=True):
        if not number.isdecimal():
            raise click.BadParameter(f"{value} is not NAME=NUMBER, such as api=8100")
    return {name: int(number) for name, _, number in pairs}


@click.command("up", short_help="Start the stack.")
@state_option
@click.option(
    "--ports",
    callback=_ports,
    metavar="auto|first-free|+N",
    help="Any free ports; the first free block of ports; or the default ports plus N.",
)
@click.option(
    "--port",
    "single",
    multiple=True,
    callback=_single_ports,
    metavar="NAME=NUMBER",
    help="One port, for example api=8100; may be repeated.",
)
@click.option("--consumers", type=click.IntRange(1, 10), help="How many consumers [default: 1].")
@click.option(
    "--servers-only", is_flag=True, help="Without API, consumers, reconciler and monitor."
)
@json_option
def command(
    folder: StateFolder,
    ports: str | None,
    single: dict[str, int],
    consumers: int | None,
    servers_only: bool,
    as_json: bool,
) -> None:
    """Start the stack and wait until every part works.

    Parts that run already are left alone, so this also restarts parts that died. If a part cannot
    be started, everything that this call started is stopped again. The first call downloads the
    servers. The options for ports and consumers are remembered.

    \b
      coupon up                                    on the default ports
      coupon up --state /tmp/second --ports +100   a second stack beside the first
      coupon up --consumers 2                      two consumers share the partitions
    """
    began = time.monotonic()
    console = Console(stderr=True, quiet=as_json, highlight=False)
    folder.create()
    with interrupted_once(), folder.locked():
        before = remembered(folder)
        options = choose(folder, ports, single, consumers, servers_only)
        if moved := why_moved(before, options):
            console.print(runnable(with_commands_for(moved, folder)), soft_wrap=True)
        try:
            started = start_stack(folder, options, console)
        except PartFailedError as error:
            raise PartFailedError(f"{error}\n{_STOPPED}") from error
        except KeyboardInterrupt as interrupt:
            raise Interrupted(f"Interrupted. {_STOPPED}") from interrupt
    seconds = round(time.monotonic() - began, 1)
    where = stack_endpoints(folder, options.ports, "owner")
    if as_json:
        result = {"state": str(folder.path), "started": started, "seconds": seconds}
        click.echo(json.dumps({**result, "ports": options.ports, "env": where}))
    else:
        what = "only the servers" if servers_only else f"API at {where['COUPON_API_URL']}"
        console.print(f"\nReady in {seconds} s, {what}")
        if servers_only:
            says = '`eval "$(coupon env)"` puts their addresses into a shell.'
            console.print(runnable(with_commands_for(says, folder)), soft_wrap=True)
        else:
            link = page_link(StackEndpoints(folder, "ops"), acts=True)
            console.print(f"Page, signed in once within 5 minutes: {link}", soft_wrap=True)
            says = "Another link: `coupon monitor`."
            console.print(runnable(with_commands_for(says, folder)), soft_wrap=True)
        says = "See `coupon status`; stop with `coupon down`."
        console.print(runnable(with_commands_for(says, folder)), soft_wrap=True)
