"""Exit codes of every `coupon` command, and the errors that stand for them.

0: done, or all is well.
1: something is wrong, does not add up, or was not all done.
2: it cannot be done as it was typed: wrong use, a wrong setting, or what is named does not exist.
3: a server that has to be asked does not answer, so that nothing can be said.
"""

import click

from coupons.errors import (
    NO_DESCRIPTORS,
    ApiUnavailable,
    ConfigurationError,
    ConnectUnavailable,
    CouponError,
    GateUnavailable,
    KafkaUnavailable,
    LedgerUnavailable,
    NotThere,
    PartNotRunningError,
    SchemaRegistryUnavailable,
    is_without_descriptors,
)
from stack.errors import SettingError, StackError

WRONG = 1
USAGE = 2
NOT_ANSWERED = 3


class NotAnswered(click.ClickException):
    """The command could not look."""

    exit_code = NOT_ANSWERED


_AS_TYPED = (ConfigurationError, SettingError, NotThere)
_AWAY = (
    ApiUnavailable,
    ConnectUnavailable,
    GateUnavailable,
    KafkaUnavailable,
    LedgerUnavailable,
    PartNotRunningError,
    SchemaRegistryUnavailable,
)
EXPECTED = (CouponError, StackError, OSError)
"""What a command may fail with; anything else is a mistake in the code."""


def exit_for(error: Exception, says: str | None = None) -> click.ClickException:
    """What ends the command: a message, and the code that the error stands for.

    says: the message; None: the error's own.
    """
    says = str(error) if says is None else says
    if isinstance(error, _AS_TYPED):
        return click.UsageError(says)
    if isinstance(error, _AWAY):
        return NotAnswered(says.strip())
    if isinstance(error, OSError) and is_without_descriptors(error):
        return click.ClickException(NO_DESCRIPTORS)
    return click.ClickException(says)
