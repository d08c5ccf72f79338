"""Which requests wait as dead letters for an operator."""

from coupons.ledger.connection import Connection
from ops.addresses import Addresses


def open_letters(
    where: Addresses,  # noqa: ARG001
    connection: Connection,  # noqa: ARG001
) -> dict[tuple[int, int], str]:
    """(coupon_id, user_id) of each request that waits as a dead letter, and where it lies.

    where: the addresses of the stack. Raises KafkaUnavailable or LedgerUnavailable.
    """
    return {}
