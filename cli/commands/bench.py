"""`coupon bench`."""

import subprocess
import sys
from pathlib import Path

import click

_CHECKOUT = Path(__file__).resolve().parents[2]


@click.command(
    "bench",
    short_help="Measure the system and the designs it is compared with.",
    context_settings={"ignore_unknown_options": True, "help_option_names": []},
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def command(arguments: tuple[str, ...]) -> None:
    """Run the benchmarks of the checkout on an embedded stack of their own.

    The same as `make bench`; all arguments are passed on.

    \b
      coupon bench --help
      coupon bench --quick
      coupon bench report-load rush
    """
    if not (_CHECKOUT / "benchmarks" / "__main__.py").exists():
        raise click.ClickException(
            "the benchmarks are not installed with the command: run it from a checkout of the"
            " repository, where `make bench` does the same"
        )
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-m", "benchmarks", *arguments], cwd=_CHECKOUT, check=False
    )
    raise click.exceptions.Exit(done.returncode)
