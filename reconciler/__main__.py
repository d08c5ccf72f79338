"""Runs the reconciler until SIGTERM: python -m reconciler"""

import signal
import sys
from threading import Event

import click

from coupons.errors import ConfigurationError
from coupons.logging import configure_logging
from coupons.settings import load_settings
from reconciler.service import run_reconciler
from reconciler.settings import ReconcilerSettings


@click.command()
def main() -> None:
    """Repair the gate from the ledger, again and again, until SIGTERM.

    Settings come from COUPON_* environment variables; docs/reference/settings.md lists them.
    Several may run: one works, the others stand by.
    """
    stop = Event()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signal_number, lambda *_: stop.set())
    try:
        settings = load_settings(ReconcilerSettings)
        configure_logging(settings.log_level)
        run_reconciler(settings, stop)
    except ConfigurationError as error:
        click.echo(str(error), err=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
