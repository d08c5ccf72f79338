"""The one family of errors. Each says what happened, to what, and what to do."""


class CouponError(Exception):
    """Base of every error that this project raises on purpose."""


class ConfigurationError(CouponError):
    """A setting is missing or wrong; the process cannot start (exit code 2)."""


class GateUnavailable(CouponError):
    """Redis did not answer; whether a script ran is unknown."""


class GateRefused(GateUnavailable):
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
