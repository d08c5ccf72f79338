"""The `coupon` command: its list of commands and its error messages."""

import importlib
import sys
from collections.abc import Sequence
from functools import partial
from typing import Any

import click

from cli.advice import current_stack, with_commands_for
from cli.exit_codes import EXPECTED, NotAnswered, exit_for
from cli.failures import run, wants_json
from cli.full_disk import explained

# Each command is imported only when it is used: so it needs only its own part of the project's
# dependencies, and does not wait for the imports of the others.
_COMMANDS = {
    "up": "Start the stack, or the parts of it that are down.",
    "down": "Stop the stack; its data stays unless --wipe is given.",
    "stop": "Stop single parts; the others keep running.",
    "restart": "Restart single parts, also one that hangs.",
    "status": "Show which parts are up, since when, and their memory.",
    "doctor": "Say what is wrong, what it means and what to type.",
    "top": "Show a rush live: rates, lag, delays, states.",
    "monitor": "Print a link that signs in to the monitor's page.",
    "logs": "Show the log of a part.",
    "connector": "Register, check and recover the Debezium connector.",
    "events": "Events of issued coupons for other services.",
    "topics": "Check the settings of Kafka's topics, and correct them.",
    "migrate": "Prepare a Postgres server for the project.",
    "env": "Print the stack's addresses as shell exports.",
    "completion": "Print a script that completes commands in bash, zsh or fish.",
    "client": "Call the API as a user, a till or an administrator.",
    "token": "Print a bearer token for a user.",
    "receipt": "Check a receipt of an issued coupon offline; make a key for receipts.",
    "rush": "Let many users claim a coupon at once, and show the result.",
    "rehearse": "Load-test with synthetic users, and purge what is left of it.",
    "bench": "Measure the system and the designs it is compared with.",
    "after-restore": "Repair the rest after Postgres was restored from a backup.",
    "gate": "Show and rebuild what Redis holds of each coupon.",
    "reconcile": "Compare Redis with Postgres request by request, and repair Redis.",
    "dead-letters": "Show the change events that could not be handled, and replay them.",
    "erase": "Erase a user from ledger, gate, audit trails and dead letters.",
    "retire": "Move the rows of archived coupons into Parquet files.",
    "sql": "Run SQL statements on the stack's Postgres, as one of its roles.",
    "verify": "Check that nothing is lost and nothing is oversold.",
    "trace": "Show one request through all stages, with times and reasons.",
    "support-bundle": "Write one archive for a bug report, without secrets.",
}


class _Commands(click.Group):
    def list_commands(self, _ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, _ctx: click.Context, name: str) -> click.Command | None:
        if name not in _COMMANDS:
            return None
        module = importlib.import_module(f"cli.commands.{name.replace('-', '_')}")
        command: click.Command = module.command
        return command

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        typed = sys.argv[1:] if args is None else list(args)
        called = partial(super().main, typed, prog_name, complete_var, False, **extra)
        if not standalone_mode:
            return called()
        sys.exit(run(called, wants_json(typed)))

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise  # click ends the command in silence
        except EXPECTED as error:
            stack = current_stack(ctx)
            raise exit_for(error, with_commands_for(explained(error, stack), stack)) from error
        except NotAnswered as error:
            raise NotAnswered(with_commands_for(error.message, current_stack(ctx))) from error


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="coupon-cdc")
def main() -> None:
    """Run and operate first-come-first-served coupons.

    \b
      coupon up                        start everything and wait until it works
      coupon status                    show what is up
      eval "$(coupon env)"             put its addresses into this shell
      coupon token --user 4711         print a bearer token for the API
      coupon logs api -f               follow the log of a part
      coupon down                      stop; `coupon up` continues with the same data

    Every command on a stack takes --state FOLDER: one folder is one stack. COUPON_STATE_DIR says
    the same for all commands of a shell, unless its COUPON_* addresses are of another stack.

    \b
    Exit codes of every command:
      0  done, or all is well
      1  something is wrong, does not add up, or was not completed
      2  wrong use or setting, or something named does not exist
      3  a server that the command needs does not answer
    130  interrupted

    With --json, a command prints one JSON document on standard output, also when it fails.
    """


if __name__ == "__main__":
    main()
