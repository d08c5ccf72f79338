"""Exit codes of every `coupon` command, and the errors that lead to them.

0: done, or all is well.
1: something is wrong, does not add up, or was not completed.
2: wrong use, a wrong setting, or something named does not exist.
3: a server that the command needs does not answer, so that the result is not known.
130: interrupted with Ctrl-C.
"""

from typing import IO, Any

import click

from coupons.errors import (
    NO_DESCRIPTORS,
    ApiUnavailable,
    ConfigurationError,
    ConnectUnavailable,
    CouponError,
    KafkaUnavailable,
    KeysUnavailable,
    LedgerUnavailable,
    MonitorUnavailable,
    NotThere,
    PartNotRunningError,
    RedisUnavailable,
    SchemaRegistryUnavailable,
    is_without_descriptors,
)
from stack.errors import SettingError, StackError

WRONG = 1
USAGE = 2
NOT_ANSWERED = 3
INTERRUPTED = 130
"""What shells give a command that Ctrl-C ended."""


KINDS = {WRONG: "failed", USAGE: "usage", NOT_ANSWERED: "no_answer", INTERRUPTED: "interrupted"}
"""What --json calls the error with each exit code."""


class NotAnswered(click.ClickException):
    """A server that the command needs does not answer."""

    exit_code = NOT_ANSWERED


class WrongUse(click.ClickException):
    """Something named does not exist, or cannot be asked for; the command line itself is right."""

    exit_code = USAGE


class Interrupted(click.ClickException):
    """Ctrl-C or SIGTERM ended the command."""

    exit_code = INTERRUPTED

    def __init__(self, message: str = "Interrupted.") -> None:
        super().__init__(message)

    def show(self, file: IO[Any] | None = None) -> None:
        """Without "Error:", because it is none."""
        click.echo(self.message, file=file, err=True)


_AS_TYPED = (ConfigurationError, SettingError, NotThere)
_DOWN = (
    ApiUnavailable,
    ConnectUnavailable,
    RedisUnavailable,
    KafkaUnavailable,
    KeysUnavailable,
    LedgerUnavailable,
    MonitorUnavailable,
    PartNotRunningError,
    SchemaRegistryUnavailable,
)
EXPECTED = (CouponError, StackError, OSError)
"""The errors that a command may fail with; any other error is a bug."""


def exit_for(error: Exception, says: str | None = None) -> click.ClickException:
    """The exception that ends the command, with a message and the exit code of the error.

    says: the message; None: the error's own message.
    """
    says = str(error) if says is None else says
    if isinstance(error, _AS_TYPED):
        return click.UsageError(says)
    if isinstance(error, _DOWN):
        return NotAnswered(says.strip())
    if isinstance(error, OSError) and is_without_descriptors(error):
        return click.ClickException(NO_DESCRIPTORS)
    return click.ClickException(says)
