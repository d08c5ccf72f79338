"""Free codes of a pool are removed: nothing that was given is touched, nobody waits for long."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import psycopg
import pytest

from coupons.codes import CodeKind
from coupons.ledger.codes import (
    CannotUpload,
    CodesOutcome,
    CouponCodes,
    choose_codes,
    give_code,
    pool_upload,
    read_codes,
    remove_free_codes,
)
from coupons.ledger.connection import Connection, connect_ledger
from tests.ledger.test_codes import wait_for_lock
from tests.support.codes import WHO, upload
from tests.support.databases import Database

CodedCoupon = Callable[..., int]
IssueTo = Callable[..., None]


def actions(database: Database) -> list[tuple[str, str, str]]:
    with psycopg.connect(database.url("coupon_owner")) as owner:
        return owner.execute(
            "SELECT acted_by, action, detail FROM operator_action ORDER BY action_id DESC"
        ).fetchall()


def test_the_free_codes_are_removed_and_the_given_one_stays(
    coded_coupon: CodedCoupon, issue_to: IssueTo, api: Connection, database: Database
) -> None:
    """Of this coupon alone; noted once, however often it is repeated."""
    coupon_id, other = coded_coupon(CodeKind.POOL, "A", "B", "C"), coded_coupon(CodeKind.POOL, "D")
    issue_to(coupon_id, [1, 2])
    _, given = give_code(api, 1, coupon_id)
    assert remove_free_codes(api, coupon_id, "somebody") == (CodesOutcome.DONE, 2)
    assert actions(database)[0] == ("somebody", "remove codes", "2 codes")
    noted = len(actions(database))
    assert remove_free_codes(api, coupon_id, WHO) == (CodesOutcome.DONE, 0)
    assert len(actions(database)) == noted
    assert read_codes(api, coupon_id) == CouponCodes(CodeKind.POOL, 2_000, 1, 1)
    assert read_codes(api, other) == CouponCodes(CodeKind.POOL, 2_000, 1, 0)
    assert give_code(api, 1, coupon_id) == (CodesOutcome.DONE, given)
    assert give_code(api, 2, coupon_id) == (CodesOutcome.EXHAUSTED, "")
    assert choose_codes(api, coupon_id, CodeKind.MADE, WHO)[0] is CodesOutcome.EXIST


def test_a_pool_without_given_codes_is_as_if_none_was_uploaded(
    coded_coupon: CodedCoupon, api: Connection
) -> None:
    """The same file can be uploaded again, to another coupon too, and another kind be chosen."""
    coupon_id, other = coded_coupon(CodeKind.POOL, "A", "B"), coded_coupon(CodeKind.POOL)
    assert remove_free_codes(api, coupon_id, WHO) == (CodesOutcome.DONE, 2)
    assert upload(api, other, ["A"]).added == 1
    assert upload(api, coupon_id, ["A", "B"]).added == 1
    remove_free_codes(api, coupon_id, WHO)
    chosen = CodesOutcome.DONE, CouponCodes(CodeKind.MADE, 2_000, 0, 0)
    assert choose_codes(api, coupon_id, CodeKind.MADE, WHO) == chosen
    for of, outcome in (
        (coupon_id, CodesOutcome.OTHER_KIND),
        (99, CodesOutcome.NOT_FOUND),
    ):
        assert remove_free_codes(api, of, WHO) == (outcome, 0)


def test_an_upload_and_a_removal_do_not_run_at_once(
    coded_coupon: CodedCoupon, api: Connection, database: Database
) -> None:
    """Not of two coupons either: an upload may add what is being removed."""
    one, other = coded_coupon(CodeKind.POOL, "A"), coded_coupon(CodeKind.POOL, "B")
    with closing(connect_ledger(database.url("coupon_api"), "first")) as first:
        with pool_upload(first, one, WHO):
            for coupon_id in (one, other):
                assert remove_free_codes(api, coupon_id, WHO) == (CodesOutcome.BUSY, 0)
        first.execute("BEGIN")
        remove_free_codes(first, one, WHO)
        with pytest.raises(CannotUpload) as error:
            upload(api, other, ["A"])
        assert error.value.outcome is CodesOutcome.BUSY
        assert choose_codes(api, one, CodeKind.MADE, WHO)[0] is CodesOutcome.EXIST
        first.execute("ROLLBACK")
    assert read_codes(api, one) == CouponCodes(CodeKind.POOL, 2_000, 1, 0)


def test_a_code_that_is_being_given_is_not_removed(
    coded_coupon: CodedCoupon, issue_to: IssueTo, api: Connection, database: Database
) -> None:
    """The removal waits for it. If it is not given after all, it is removed too."""
    for end, removed in (("COMMIT", 0), ("ROLLBACK", 1)):
        coupon_id = coded_coupon(CodeKind.POOL, end)
        issue_to(coupon_id, [1])
        with (
            closing(connect_ledger(database.url("coupon_api"), "giver")) as giver,
            ThreadPoolExecutor(1) as thread,
        ):
            giver.execute("BEGIN")
            assert give_code(giver, 1, coupon_id) == (CodesOutcome.DONE, end)
            removing = thread.submit(remove_free_codes, api, coupon_id, WHO)
            wait_for_lock(database)
            giver.execute(end.encode())
            assert removing.result() == (CodesOutcome.DONE, removed)
            assert read_codes(api, coupon_id) == CouponCodes(
                CodeKind.POOL, 2_000, 1 - removed, 1 - removed
            )


def test_who_asks_while_codes_are_removed_gets_none_of_them(
    coded_coupon: CodedCoupon, issue_to: IssueTo, api: Connection, database: Database
) -> None:
    """It waits for the removal, and learns that the pool is exhausted."""
    coupon_id = coded_coupon(CodeKind.POOL, "A", "B")
    issue_to(coupon_id, [1])
    with (
        closing(connect_ledger(database.url("coupon_api"), "remover")) as remover,
        ThreadPoolExecutor(1) as thread,
    ):
        remover.execute("BEGIN")
        remove_free_codes(remover, coupon_id, WHO)
        asked = thread.submit(give_code, api, 1, coupon_id)
        wait_for_lock(database)
        remover.execute("COMMIT")
        assert asked.result() == (CodesOutcome.EXHAUSTED, "")
