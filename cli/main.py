"""The `coupon` command: operates a stack and the system that runs on it."""

import importlib
from typing import Any

import click

from cli.advice import spoken_of, told
from cli.exit_codes import EXPECTED, NotAnswered, exit_for

# Each command is imported only when it is used: most of them need no more than a part of the
# project's dependencies, and none waits for the imports of the others.
_COMMANDS = {
    "up": "Start the stack, or what of it is down.",
    "down": "Stop the stack; its data stays, unless told otherwise.",
    "stop": "Stop single parts; the others go on.",
    "restart": "Restart single parts, also one that hangs.",
    "status": "Show which parts are up, since when, and what they take.",
    "doctor": "Say what is wrong, what it means and what to type.",
    "logs": "Show what a part writes.",
    "connector": "Register the Debezium connector and look after it.",
    "topics": "Look at the settings of Kafka's topics, and mend them.",
    "migrate": "Make a Postgres server ready for the project.",
    "env": "Print the stack's addresses as shell exports.",
    "token": "Print a bearer token for a user.",
    "rush": "Let many users claim a coupon at once, and show what happens.",
    "bench": "Measure the system and the designs it is compared with.",
    "after-restore": "Mend the rest after Postgres was restored from a backup.",
    "gate": "See and rebuild what Redis holds of each coupon.",
    "reconcile": "Compare Redis with Postgres request by request, and repair Redis.",
    "dead-letters": "Look at change events that were set aside, and replay them.",
    "sql": "Run SQL statements on the stack's Postgres, as one of its roles.",
    "verify": "Check that nothing is lost and nothing is oversold.",
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

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except EXPECTED as error:
            raise exit_for(error, told(str(error), spoken_of(ctx))) from error
        except NotAnswered as error:
            raise NotAnswered(told(error.message, spoken_of(ctx))) from error


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="coupon-cdc")
def main() -> None:
    """Run and look after first-come-first-served coupons.

    \b
      coupon up                        start everything and wait until it works
      coupon status                    see what is up
      eval "$(coupon env)"             take its addresses into this shell
      coupon token --user 4711         a bearer token for the API
      coupon logs api -f               follow what a part writes
      coupon down                      stop; `coupon up` goes on where it was

    Every command takes --state FOLDER (or COUPON_STATE_DIR): one folder is one stack.

    \b
    Exit codes, of every command:
      0  done, or all is well
      1  something is wrong, does not add up, or was not all done
      2  not possible as typed: wrong use or setting, or what is named does not exist
      3  a server that has to be asked does not answer
    """


if __name__ == "__main__":
    main()
