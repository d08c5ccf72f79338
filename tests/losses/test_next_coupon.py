"""A backlog of one coupon makes the next coupon wait for what was before it, and for no more."""

from collections.abc import Iterator

import pytest

from coupons.ledger.connection import connect_ledger
from coupons.waiting import eventually
from stack.disposable import DisposableStack
from tests.pipeline.pipeline import FINAL_WITHIN_SECONDS, Pipeline

BEFORE = AFTER = 20_000


@pytest.fixture
def coupons(stack: DisposableStack) -> Iterator[tuple[Pipeline, Pipeline]]:
    """A busy one and a quiet one."""
    with connect_ledger(stack.environment["COUPON_DATABASE_URL"], "test", 60) as ledger:
        yield Pipeline(stack, ledger, 100_000), Pipeline(stack, ledger, 100_000)


def test_the_next_coupon_waits_for_the_backlog_before_it_only(
    coupons: tuple[Pipeline, Pipeline],
) -> None:
    """Measured in rows, not in time: how many later requests were issued before the quiet one's.

    All coupons share the log and stand in line in the order of their commits. A request overtakes
    nobody, and is overtaken by no more than partitions differ in how far they are read.
    """
    busy, quiet = coupons
    busy.stack.stop("consumer-1")
    try:
        busy.request(range(1, BEFORE + 1))
        quiet.request([1])
        busy.request(range(BEFORE + 1, BEFORE + AFTER + 1))
    finally:
        busy.stack.up()
    eventually(lambda: busy.all_final() and quiet.all_final(), FINAL_WITHIN_SECONDS)
    row = busy.ledger.execute(
        "SELECT count(*) FILTER (WHERE b.user_id > %(before)s AND b.issued_at < q.issued_at),"
        "       count(*) FILTER (WHERE b.user_id <= %(before)s AND b.issued_at > q.issued_at)"
        "  FROM issued_coupon b, issued_coupon q"
        " WHERE b.coupon_id = %(busy)s AND q.coupon_id = %(quiet)s",
        {"before": BEFORE, "busy": busy.coupon.coupon_id, "quiet": quiet.coupon.coupon_id},
    ).fetchone()
    assert row is not None
    overtaken_by, overtook = row
    print(f"overtaken by {overtaken_by} of {AFTER} later requests, overtook {overtook} of {BEFORE}")
    assert overtaken_by < AFTER / 2
