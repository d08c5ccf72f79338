"""How a process of the project starts: help, settings, logging, signals and exit code."""

import argparse
import logging
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from threading import Event
from typing import TypeVar

from coupons.errors import ConfigurationError, CouponError
from coupons.process.logging import configure_logging
from coupons.process.settings import ProcessSettings, describe_settings, load_settings
from coupons.process.variables import ignored_variables

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
    # `restart_process` blocked them until now.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
    return stopping


def restart_process(stopping: Event) -> None:
    """Replace the process by a new one with the same id, command and environment.

    Nothing of this one ends in order. Returns only when `stopping` is set. A stop signal that comes
    later stops the new process.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    if stopping.is_set():
        return
    # Clients in C leave some of theirs open for the new process.
    for descriptor in map(int, os.listdir("/dev/fd")):
        if descriptor > 2:
            with suppress(OSError):
                os.set_inheritable(descriptor, False)
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606


def run_process(
    kind: type[Settings], run: Callable[[Settings], None], *, warns: bool = True
) -> int:
    """Load the settings, set up the log, run. Returns the exit code.

    0: `run` returned. 1: it raised an error of the project. 2: a setting is missing or wrong.
    warns: whether to log the variables that look like settings and are none; a process that another
    one started leaves that to its parent.
    """
    try:
        settings = load_settings(kind)
        configure_logging(settings.log_level, settings.log_requests)
        for warning in ignored_variables(os.environ) if warns else ():
            logging.warning("%s", warning)
        run(settings)
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return 2
    except CouponError as error:
        logging.critical("%s", error)
        return 1
    return 0
