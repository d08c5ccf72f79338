"""The drop of a retired coupon's rows: only what is noted, all of it, and nothing else."""

from collections.abc import Callable

import psycopg
import pytest
from psycopg.errors import CheckViolation

from coupons.codes import CodeKind
from coupons.ledger.codes import choose_codes, give_code, read_codes
from coupons.ledger.connection import Connection, connect_ledger
from coupons.ledger.exports_to_erase import list_exports_to_erase
from coupons.ledger.retired import (
    Beginning,
    RetiredCounts,
    abandon_retirement,
    drop_page,
    find_retired,
    is_of_a_retired_coupon,
    list_retirable,
)
from coupons.queries import query
from operations.verify.codes import count_codes
from tests.ledger.retirements import COUNTS, WHO, YEAR, begin, export, retire
from tests.ledger.test_erasing import erase
from tests.support.databases import Database
from tests.support.issued import as_owner, issue, request_and_issue
from tests.support.ledger import MakeCoupon
from tests.support.retiring import archive, rows


def test_an_old_record_issues_nothing_again(ops: Connection, database: Database, old: int) -> None:
    """The rows that kept a replay from issuing twice are gone; it is refused all the same."""
    begin(ops, old)
    export(ops, old)
    while not drop_page(ops, old, 0, WHO).is_done:
        pass
    for users in ((1,), (4,), (77,)):
        with pytest.raises(CheckViolation) as refused:
            issue(database, *((old, user) for user in users))
        assert is_of_a_retired_coupon(refused.value)
    assert sum(rows(database, old).values()) == 0
    assert as_owner(database, "SELECT issued_count, rejected_count FROM coupon") == [(3, 2)]


def test_nothing_is_dropped_before_the_export_is_noted(
    ops: Connection, database: Database, old: int
) -> None:
    """Neither before a retirement begins, nor while it is being exported."""
    before = rows(database, old)
    assert drop_page(ops, old, 0, WHO).is_done
    begin(ops, old)
    assert drop_page(ops, old, 0, WHO).is_done
    assert rows(database, old) == before
    assert export(ops, old) == "noted"
    assert export(ops, old) == "not_begun"
    abandon_retirement(ops, old, WHO)
    assert begin(ops, old) is Beginning.EXPORTED


def test_rows_of_others_stay(
    ops: Connection, database: Database, make_coupon: MakeCoupon, old: int
) -> None:
    """Also of the same users."""
    other = make_coupon(total_quantity=3).coupon_id
    request_and_issue(database, other, range(1, 6))
    before = rows(database, other)
    begin(ops, old)
    export(ops, old)
    page = drop_page(ops, old, 0, WHO)
    assert (page.last_user_id, page.requests) == (5, 5)
    assert drop_page(ops, old, page.last_user_id, WHO).is_done
    assert rows(database, other) == before
    assert begin(ops, old) is Beginning.RETIRED
    assert list_retirable(ops, YEAR) == []
    found = find_retired(ops, [old, other])
    assert set(found) == {old}
    assert found[old].counts == COUNTS
    noted = "SELECT acted_by, result, detail FROM operator_action WHERE action = 'retire coupon'"
    assert as_owner(database, noted) == [(WHO, "begun", ""), (WHO, "done", "5 requests")]


def test_who_waited_in_its_line_is_dropped(ops: Connection, database: Database, old: int) -> None:
    """Also who never got a request: no file has them."""
    join = "INSERT INTO standby_entry (user_id, coupon_id, state, ended_at) VALUES (%s, %s, %s, %s)"
    for user, state in ((5, "promoted"), (6, "ended")):
        as_owner(database, join, user, old, state, "2027-01-02T03:04:05Z")
    retire(ops, old)
    assert as_owner(database, "SELECT user_id FROM standby_entry") == []


def test_a_pool_is_empty_once_it_is_retired(
    ops: Connection, api: Connection, database: Database, coded_coupon: Callable[..., int]
) -> None:
    """`coupon verify` misses no code, also while they go; and the coupon keeps its kind."""
    pool = coded_coupon(CodeKind.POOL, "FREE1", "FREE2")
    request_and_issue(database, pool, range(1, 4))
    give_code(api, 1, pool)
    archive(database, pool)
    begin(ops, pool)
    assert [each.pool_size for each in count_codes(ops)] == [2]
    assert export(ops, pool, RetiredCounts(3, 3, {}, 3, 0, 0, 0)) == "noted"
    after = 0
    while not (page := drop_page(ops, pool, after, WHO)).is_done:
        assert count_codes(ops) == []
        after = page.last_user_id
    with pytest.raises(CheckViolation) as refused:
        choose_codes(api, pool, CodeKind.MADE, WHO)
    assert is_of_a_retired_coupon(refused.value)
    codes = read_codes(api, pool)
    assert codes is not None
    assert (codes.kind, codes.pool_size, codes.free) == (CodeKind.POOL, 0, 0)
    assert count_codes(ops) == []


def test_an_erasure_does_not_hold_up_the_drop(
    ops: Connection, database: Database, running: psycopg.Connection, old: int
) -> None:
    """It refers to the retirement, and may hold what the drop waits for: both would wait."""
    begin(ops, old)
    export(ops, old)
    running.execute("SELECT erase_user(99, '{}', 'a test', '14 days')")
    assert drop_page(ops, old, 0, WHO).requests == 5


def test_a_user_who_is_erased_meanwhile_is_dropped_too(
    ops: Connection, database: Database, old: int
) -> None:
    """The new id may be behind the pages that are done; and the files have to be looked through."""
    begin(ops, old)
    export(ops, old)
    erase(ops, 2)
    assert [each.user_id for each in list_exports_to_erase(ops)] == [2]
    last = as_owner(database, "SELECT max(user_id) FROM coupon_issue_request")[0][0]
    page = drop_page(ops, old, last, WHO)
    assert (page.last_user_id, page.is_done) == (0, False)
    assert drop_page(ops, old, page.last_user_id, WHO).requests == 5
    assert drop_page(ops, old, last, WHO).is_done
    assert sum(rows(database, old).values()) == 0


def test_a_restore_brings_no_request_of_a_retired_coupon(database: Database, old: int) -> None:
    """Kafka may have records of it; the ledger has not lost them."""
    with connect_ledger(database.url("coupon_ops"), "test") as ops:
        begin(ops, old)
        export(ops, old)
        drop_page(ops, old, 0, WHO)
    values = {"coupon_ids": [old], "user_ids": [1], "requested_at_us": [1]}
    with psycopg.connect(database.url("coupon_owner")) as owner:
        row = owner.execute(query("restore_requests"), values).fetchone()
    assert row is not None
    assert row[0] == 0
