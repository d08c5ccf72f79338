"""Whether a failure is of one coupon alone, so that the work on the others goes on."""

from coupons.errors import GateUnavailable, KeysUnreadable
from coupons.ledger.connection import Connection


def is_of_one_coupon(error: Exception, connection: Connection) -> bool:
    """False: Redis or Postgres itself is away, and the same would be met at every coupon.

    True of what Postgres refused over a connection that goes on: a lock that somebody holds, a row
    that cannot be read; and of what nobody thought of, which must not stop the others either.
    """
    if isinstance(error, GateUnavailable):
        return isinstance(error, KeysUnreadable)
    return not connection.closed
