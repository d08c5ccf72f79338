"""`coupon bench`."""

import os
import sys
from pathlib import Path

import click

_CHECKOUT = Path(__file__).resolve().parents[2]


@click.command(
    "bench",
    short_help="Measure the system, and three other designs.",
    context_settings={"ignore_unknown_options": True, "help_option_names": []},
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def command(arguments: tuple[str, ...]) -> None:
    """Run the benchmarks of the checkout, on a separate embedded stack.

    The same as `make bench`; all arguments are passed on.

    \b
      coupon bench --help
      coupon bench --quick
      coupon bench report-load rush
    """
    if not (_CHECKOUT / "benchmarks" / "__main__.py").exists():
        raise click.ClickException(
            "the benchmarks are not installed with the command; run it from a checkout of the"
            " repository, or use `make bench` there"
        )
    # It replaces this process: a signal reaches the program that removes the stack.
    os.chdir(_CHECKOUT)
    os.execv(sys.executable, [sys.executable, "-m", "benchmarks", *arguments])  # noqa: S606
