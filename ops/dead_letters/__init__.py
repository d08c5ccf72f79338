"""Dead letters: change events that the consumer set aside, and what operators do with them."""

from collections import Counter

from coupons.ledger.connection import Connection
from ops.addresses import Addresses
from ops.dead_letters.standing import State, look_at_letters

UNRESOLVED = (State.OPEN, State.PARKED, State.REPLAYED)


def open_letters(where: Addresses, connection: Connection) -> dict[int | None, int]:
    """How many letters of each coupon are neither resolved nor discarded; none: an empty dict.

    None: of records whose coupon cannot be read. A record that was written back and came back
    counts once. where: the addresses of the stack, COUPON_*. Raises KafkaUnavailable or
    LedgerUnavailable.
    """
    return dict(
        Counter(
            standing.key and standing.key[0]
            for standing in look_at_letters(where, connection)
            if standing.state in UNRESOLVED and standing.came_back_as is None
        )
    )
