"""The errors of this project. Each says what happened, to what, and what to do."""

import errno
import os
from typing import Any

NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
"""Numbers of the system's errors for a full disk."""

_TOO_MANY = (errno.EMFILE, errno.ENFILE)
NO_DESCRIPTORS = (
    "this process has no file descriptors left, so it cannot connect to anything (Too many open"
    " files): raise its limit with `ulimit -n 65536` and start it again"
)


STOPPED_AT_LIMIT = "stopped: "
"""How the health of a consumer begins that has stopped at the dead-letter limit."""


class CouponError(Exception):
    """Base of every error that this project raises on purpose.

    When the process has no file descriptors left, the text says so instead of blaming a server.
    Some client libraries hide this cause, so it is checked when the error is made.
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


class RedisUnavailable(CouponError):
    """Redis did not answer; whether a script ran is unknown."""


class KeysUnreadable(RedisUnavailable):
    """Redis answers, but its keys of one coupon are not what the scripts can work on."""


class CouponUnreadable(CouponError):
    """A coupon's row cannot be read; for example, a date is outside of the years 1 to 9999."""


class LedgerUnavailable(CouponError):
    """Postgres did not do it: nothing was changed."""


class OutcomeUnknown(LedgerUnavailable):
    """The connection to Postgres was lost before it answered: it may have committed."""


class UndecodableEvent(CouponError):
    """A change event is not in the agreed format: it becomes a dead letter."""


class SchemaRegistryUnavailable(CouponError):
    """The schema registry did not answer; try again later."""


class UnknownCoupon(CouponError):
    """A change event of a coupon that the ledger does not have: it becomes a dead letter."""


class DeadLetterOutage(CouponError):
    """So many change events fail that something else must be wrong; none is dead-lettered.

    They are tried again until the cause is fixed.
    """


class KafkaUnavailable(CouponError):
    """Kafka did not accept a record, or did not answer; try again later."""


class ConnectorError(CouponError):
    """Kafka Connect does not answer, refuses the connector, or cannot run it."""


class ConnectUnavailable(ConnectorError):
    """Kafka Connect did not answer; whether it did the request is unknown."""


class KeysUnavailable(CouponError):
    """The public keys that check a signature cannot be had now; try again later."""


class ApiUnavailable(CouponError):
    """The API did not answer a command."""


class MonitorUnavailable(CouponError):
    """The monitor did not answer a command, or its answer cannot be read."""


class NotThere(CouponError):
    """The thing that a command should work on does not exist."""


class PartNotRunningError(CouponError):
    """A part of the embedded stack that is needed is not running: nothing was done."""

    def __init__(self, part: str, message: str) -> None:
        super().__init__(message)
        self.part = part
