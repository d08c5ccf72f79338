"""Whether a failure concerns one coupon only, so that the work on the others goes on."""

from coupons.errors import KeysUnreadable, RedisUnavailable
from coupons.ledger.connection import Connection


def is_of_one_coupon(error: Exception, connection: Connection) -> bool:
    """False: Redis or Postgres itself is down, and every coupon would fail.

    True when Postgres refused something and the connection still works: a lock that is held, a row
    that cannot be read. True for unexpected errors too: they must not stop the other coupons.
    """
    if isinstance(error, RedisUnavailable):
        return isinstance(error, KeysUnreadable)
    return not connection.closed
