"""How a process of the project starts: help, settings, logging, signals and exit code."""

import argparse
import logging
import signal
import sys
from collections.abc import Callable
from threading import Event
from typing import TypeVar

from coupons.errors import ConfigurationError, CouponError
from coupons.logging import configure_logging
from coupons.settings import ProcessSettings, describe_settings, load_settings

Settings = TypeVar("Settings", bound=ProcessSettings)

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def show_help(program: str, purpose: str | None, kind: type[ProcessSettings]) -> None:
    """Answer --help with the purpose and the settings; refuse any argument. Both end the process.

    program: the module's name.
    """
    argparse.ArgumentParser(
        prog=f"python -m {program}",
        description=purpose,
        epilog=f"settings, all from the environment:\n{describe_settings(kind)}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    ).parse_args()


def stop_on_signals() -> Event:
    """An event that SIGTERM and SIGINT set from now on."""
    stopping = Event()
    for each in STOP_SIGNALS:
        signal.signal(each, lambda *_: stopping.set())
    return stopping


def run_process(kind: type[Settings], run: Callable[[Settings], None]) -> int:
    """Load the settings, set up the log, run. Returns the exit code.

    0: `run` returned. 1: it raised an error of the project. 2: a setting is missing or wrong.
    """
    try:
        settings = load_settings(kind)
        configure_logging(settings.log_level)
        run(settings)
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return 2
    except CouponError as error:
        logging.critical("%s", error)
        return 1
    return 0
