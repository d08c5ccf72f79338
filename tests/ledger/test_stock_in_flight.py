"""Stock is never lowered below what is issued and in flight, whoever does it and whatever runs."""

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from psycopg.errors import CheckViolation

from coupons.ledger.connection import Connection, connect_ledger
from coupons.ledger.coupons import change_coupon, find_coupon, operate_coupon
from coupons.ledger.requests import accept_requests
from coupons.model import Admission, Coupon, CouponState
from coupons.queries import query
from coupons.waiting import eventually
from tests.support.databases import Database
from tests.support.ledger import MakeCoupon

IN_FLIGHT = "coupon_stock_covers_in_flight"


def accept(api: Connection, coupon: Coupon, users: range) -> None:
    epoch = coupon.gate_epoch
    accept_requests(api, [Admission(coupon.coupon_id, user, user, epoch, False) for user in users])


def finish(database: Database, coupon_id: int, issued: int, rejected: int) -> None:
    """The first users get one, the next are rejected, as the consumer does it."""
    with psycopg.connect(database.url("coupon_consumer")) as consumer:
        consumer.execute(
            "INSERT INTO issued_coupon SELECT n, %s, now() FROM generate_series(1, %s) n",
            [coupon_id, issued],
        )
        consumer.execute(
            "INSERT INTO issue_rejection SELECT %s, n, now(), 'sold_out'"
            " FROM generate_series(%s::bigint + 1, %s) n",
            [coupon_id, issued, issued + rejected],
        )
        consumer.execute(
            "UPDATE coupon SET issued_count = %s, rejected_count = %s WHERE coupon_id = %s",
            [issued, rejected, coupon_id],
        )


def constraint(error: pytest.ExceptionInfo[CheckViolation]) -> str | None:
    return error.value.diag.constraint_name


def test_what_is_issued_or_in_flight_is_the_least_stock(
    database: Database, api: Connection, make_coupon: MakeCoupon
) -> None:
    """Five accepted: two issued, one rejected, two in flight. Four is the least."""
    coupon = make_coupon(total_quantity=10)
    accept(api, coupon, range(1, 6))
    with pytest.raises(CheckViolation) as refused:
        change_coupon(api, coupon.coupon_id, total_quantity=4)
    assert constraint(refused) == IN_FLIGHT
    finish(database, coupon.coupon_id, issued=2, rejected=1)
    with pytest.raises(CheckViolation) as refused:
        change_coupon(api, coupon.coupon_id, total_quantity=3)
    assert constraint(refused) == IN_FLIGHT
    with pytest.raises(CheckViolation) as refused:
        change_coupon(api, coupon.coupon_id, total_quantity=1)
    assert constraint(refused) == "coupon_never_oversold"
    lowered = change_coupon(api, coupon.coupon_id, total_quantity=4)
    assert lowered is not None
    assert lowered.total_quantity == 4
    raised = change_coupon(api, coupon.coupon_id, total_quantity=5)
    assert raised is not None


def test_requests_of_other_coupons_do_not_count(api: Connection, make_coupon: MakeCoupon) -> None:
    coupon, other = make_coupon(total_quantity=5), make_coupon()
    accept(api, other, range(1, 6))
    assert change_coupon(api, coupon.coupon_id, total_quantity=1) is not None


def test_an_operator_cannot_do_it_either(
    database: Database, api: Connection, make_coupon: MakeCoupon
) -> None:
    coupon = make_coupon(total_quantity=5)
    accept(api, coupon, range(1, 4))
    with connect_ledger(database.url("coupon_ops"), "test") as ops:
        seen = coupon.version
        with pytest.raises(CheckViolation) as refused:
            operate_coupon(ops, coupon.coupon_id, seen, "ana", total_quantity=2)
        assert constraint(refused) == IN_FLIGHT
        # A refused change leaves the version, and other changes are not refused.
        paused = operate_coupon(ops, coupon.coupon_id, seen, "ana", state=CouponState.PAUSED)
        assert paused is not None


def test_the_owner_may_and_then_what_does_not_fit_is_rejected_later(
    database: Database, api: Connection, make_coupon: MakeCoupon
) -> None:
    coupon = make_coupon(total_quantity=5)
    accept(api, coupon, range(1, 4))
    with connect_ledger(database.url("coupon_owner"), "test") as owner:
        assert change_coupon(owner, coupon.coupon_id, total_quantity=2) is not None


def test_requests_that_are_being_written_are_waited_for_and_counted(
    database: Database, api: Connection, make_coupon: MakeCoupon
) -> None:
    coupon = make_coupon(total_quantity=3)
    values = {
        "coupon_ids": [coupon.coupon_id],
        "epochs": [coupon.gate_epoch],
        "request_coupon_ids": [coupon.coupon_id] * 2,
        "user_ids": [1, 2],
        "requested_at_us": [1, 2],
    }
    with (
        psycopg.connect(database.url("coupon_api")) as writer,
        psycopg.connect(database.superuser_url, autocommit=True) as watcher,
        ThreadPoolExecutor(1) as threads,
    ):
        writer.execute(query("accept_requests"), values)
        lowering = threads.submit(change_coupon, api, coupon.coupon_id, total_quantity=1)

        def waits() -> bool:
            found = watcher.execute(
                "SELECT FROM pg_stat_activity WHERE pid = %s AND wait_event_type = 'Lock'",
                [api.info.backend_pid],
            )
            return found.fetchone() is not None

        eventually(lambda: waits() or lowering.done(), what="the change waits")
        writer.commit()
        with pytest.raises(CheckViolation) as refused:
            lowering.result()
    assert constraint(refused) == IN_FLIGHT
    found = find_coupon(api, coupon.coupon_id)
    assert found is not None
    assert found.total_quantity == 3
