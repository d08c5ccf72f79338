"""The one family of errors. Each says what happened, to what, and what to do."""

import errno
import os
from typing import Any

_TOO_MANY = (errno.EMFILE, errno.ENFILE)
NO_DESCRIPTORS = (
    "this process has no file descriptors left, so it cannot connect to anything (Too many open"
    " files): raise its limit with `ulimit -n 65536` and start it again"
)


class CouponError(Exception):
    """Base of every error that this project raises on purpose.

    One that a lack of file descriptors is behind says that, and not that a server is away: clients
    that are not Python's own hide it, so it is looked at when the error is made.
    """

    _without_descriptors = False

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._without_descriptors = not _can_open()

    def __str__(self) -> str:
        """What happened, to what, and what to do."""
        if self._without_descriptors or (self.__cause__ and is_without_descriptors(self.__cause__)):
            return f"{NO_DESCRIPTORS}; seen as: {super().__str__()}"
        return super().__str__()


def is_without_descriptors(error: BaseException) -> bool:
    """Whether this process, or its machine, has no file descriptors left."""
    words = " ".join(map(str, error.args))
    return "Too many open files" in words or getattr(error, "errno", None) in _TOO_MANY


def _can_open() -> bool:
    try:
        os.close(os.dup(2))
    except OSError as error:
        return error.errno not in _TOO_MANY
    return True


class ConfigurationError(CouponError):
    """A setting is missing or wrong; the process cannot start (exit code 2)."""


class GateUnavailable(CouponError):
    """Redis did not answer; whether a script ran is unknown."""


class KeysUnreadable(GateUnavailable):
    """Redis answers, and what it holds of one coupon is not what a script can work on."""


class CouponUnreadable(CouponError):
    """A coupon's row cannot be read, such as a date beyond the years 1 to 9999."""


class LedgerUnavailable(CouponError):
    """Postgres could not be asked: nothing was changed."""


class OutcomeUnknown(LedgerUnavailable):
    """The connection to Postgres was lost before it answered: maybe it committed."""


class UndecodableEvent(CouponError):
    """A change event that is not in the agreed format: it goes to the dead letters."""


class SchemaRegistryUnavailable(CouponError):
    """The schema registry could not be asked for a schema; try again later."""


class UnknownCoupon(CouponError):
    """A change event of a coupon that the ledger does not have: it goes to the dead letters."""


class DeadLetterOutage(CouponError):
    """Too many change events cannot be handled for it to be their own fault; nothing is set aside.

    It is tried again until the cause is mended.
    """


class KafkaUnavailable(CouponError):
    """Kafka did not take what was sent to it, or could not be asked; try again later."""


class ConnectorError(CouponError):
    """Kafka Connect cannot be asked, refuses the connector, or does not get it to run."""


class ConnectUnavailable(ConnectorError):
    """Kafka Connect did not answer; whether it did what it was asked for is unknown."""


class ApiUnavailable(CouponError):
    """The API did not answer a command that called it."""


class NotThere(CouponError):
    """What somebody asked to work on does not exist."""


class PartNotRunningError(CouponError):
    """A part of the embedded stack that has to be asked is not running: nothing was asked."""

    def __init__(self, part: str, message: str) -> None:
        super().__init__(message)
        self.part = part
