"""Dead letters: change events that the consumer set aside, and what operators do with them."""

from typing import NamedTuple

from coupons.endpoints import Endpoints
from coupons.ledger.connection import Connection
from operations.dead_letters.status import RequestKey, State, read_statuses

UNRESOLVED = (State.OPEN, State.PARKED, State.REPLAYED)


class UnresolvedLetter(NamedTuple):
    """key: coupon and user of the request; None when the record cannot be read. place: its own."""

    key: RequestKey | None
    place: str


def unresolved_letters(where: Endpoints, connection: Connection) -> list[UnresolvedLetter]:
    """The letters that are neither resolved nor discarded, in order.

    A record that was written back and came back is there once. where: the addresses of the stack,
    COUPON_*. Raises KafkaUnavailable or LedgerUnavailable.
    """
    return [
        UnresolvedLetter(standing.key, standing.letter.place)
        for standing in read_statuses(where, connection)
        if standing.state in UNRESOLVED and standing.came_back_as is None
    ]
