"""A retired coupon in the ledger: when it may begin, and that nothing of it changes."""

from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta

import psycopg
import pytest
from psycopg.errors import CheckViolation

from coupons.codes import CodeKind
from coupons.ledger.codes import choose_codes, give_code, read_codes, remove_free_codes
from coupons.ledger.connection import Connection, connect_ledger
from coupons.ledger.exports_to_erase import (
    count_exports_to_erase,
    list_exports_to_erase,
    note_erased_export,
)
from coupons.ledger.rehearsals import begin_rehearsal
from coupons.ledger.retired import (
    Beginning,
    RetiredCounts,
    abandon_retirement,
    begin_retirement,
    drop_page,
    find_retired,
    has_ended,
    is_of_a_retired_coupon,
    list_retirable,
    note_export,
    running_until,
)
from coupons.model import IssuedChange
from coupons.queries import query
from coupons.waiting import eventually
from operations.verify.codes import count_codes
from tests.ledger.test_erasing import erase
from tests.support.changes import change_owned_coupon
from tests.support.codes import upload
from tests.support.databases import Database
from tests.support.issued import as_owner, issue, request_and_issue
from tests.support.ledger import MakeCoupon
from tests.support.retiring import archive, rows

YEAR = timedelta(days=365)
WHO = "somebody"
COUNTS = RetiredCounts(5, 3, {"sold_out": 2}, 3, 0, 0, 0)
FILES = {"requests.1.parquet": {"rows": 5, "sha256": "0" * 64}}


@pytest.fixture
def old(database: Database, make_coupon: MakeCoupon) -> int:
    """Archived long ago: three issued, two rejected."""
    coupon_id = make_coupon(total_quantity=3).coupon_id
    request_and_issue(database, coupon_id, range(1, 6))
    archive(database, coupon_id)
    return coupon_id


def begin(ops: Connection, coupon_id: int) -> Beginning:
    return begin_retirement(ops, coupon_id, YEAR, WHO)


def retire(ops: Connection, coupon_id: int) -> None:
    """All of it, but for the files."""
    begin(ops, coupon_id)
    export(ops, coupon_id)
    last = 0
    while not (page := drop_page(ops, coupon_id, last, WHO)).is_done:
        last = page.last_user_id


def export(ops: Connection, coupon_id: int, counts: RetiredCounts = COUNTS) -> str:
    return note_export(ops, coupon_id, counts, "/exports/coupon-1", FILES)


def test_only_what_is_archived_for_long_begins(
    ops: Connection, database: Database, make_coupon: MakeCoupon, old: int
) -> None:
    """Whatever the operator asks for; and a day is the least, whoever calls the function."""
    young, still_open = make_coupon().coupon_id, make_coupon().coupon_id
    archive(database, young, days_ago=364)
    assert [each.coupon_id for each in list_retirable(ops, YEAR)] == [old]
    assert begin(ops, young) is Beginning.TOO_YOUNG
    assert begin(ops, still_open) is Beginning.NOT_ARCHIVED
    assert begin(ops, 999) is Beginning.NOT_FOUND
    archived_now = make_coupon().coupon_id
    archive(database, archived_now, days_ago=0)
    assert begin_retirement(ops, archived_now, timedelta(0), WHO) is Beginning.TOO_YOUNG
    assert begin(ops, old) is Beginning.BEGUN
    assert begin(ops, old) is Beginning.BEGUN
    assert begin_retirement(ops, old, 2 * YEAR, WHO) is Beginning.BEGUN


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


def test_an_archived_coupon_that_is_not_retired_takes_records(database: Database, old: int) -> None:
    """As before: what is final stays final, and is marked again."""
    issue(database, (old, 1), (old, 4))
    assert rows(database, old)["issued_coupon"] == 3


def test_nothing_changes_once_it_has_begun(
    ops: Connection, api: Connection, database: Database, coded_coupon: Callable[..., int]
) -> None:
    """No use, no code, no upload: it would be dropped without being in the files."""
    pool = coded_coupon(CodeKind.POOL, "FREE1", "FREE2")
    request_and_issue(database, pool, range(1, 4))
    change_owned_coupon(api, 3, pool, IssuedChange.USE, WHO, order_reference="A")
    archive(database, pool)
    begin(ops, pool)
    before = rows(database, pool)

    def refused(change: Callable[[], object]) -> None:
        with pytest.raises(CheckViolation) as error:
            change()
        assert is_of_a_retired_coupon(error.value)

    use = {"order_reference": "B"}
    refused(lambda: change_owned_coupon(api, 1, pool, IssuedChange.USE, WHO, **use))
    refused(lambda: change_owned_coupon(api, 1, pool, IssuedChange.REVOKE, WHO, reason="r"))
    cancelled = {"order_reference": "A"}
    refused(lambda: change_owned_coupon(api, 3, pool, IssuedChange.CANCEL_USE, WHO, **cancelled))
    refused(lambda: give_code(api, 2, pool))
    refused(lambda: upload(api, pool, ("FREE3",)))
    refused(lambda: remove_free_codes(api, pool, WHO))
    assert rows(database, pool) == before

    abandon_retirement(ops, pool, WHO)
    change_owned_coupon(api, 1, pool, IssuedChange.USE, WHO, **use)
    give_code(api, 2, pool)


def test_no_made_code_is_given_once_it_has_begun(
    ops: Connection, api: Connection, database: Database, coded_coupon: Callable[..., int]
) -> None:
    made = coded_coupon(CodeKind.MADE)
    request_and_issue(database, made, range(1, 2))
    archive(database, made)
    begin(ops, made)
    with pytest.raises(CheckViolation):
        give_code(api, 1, made)


@pytest.fixture
def running(database: Database) -> Iterator[psycopg.Connection]:
    with closing(psycopg.connect(database.url("coupon_owner"))) as owner:
        owner.execute("SELECT pg_current_xact_id()")
        yield owner


def test_transactions_that_ran_before_are_waited_for(
    ops: Connection, running: psycopg.Connection, old: int
) -> None:
    """One that began before cannot know of it, and may still change something."""
    begin(ops, old)
    number = running_until(ops)
    assert not has_ended(ops, number)
    running.rollback()
    eventually(lambda: has_ended(ops, number), 10, "all have ended")


@pytest.mark.parametrize(
    "counts",
    [
        COUNTS._replace(accepted=4),
        COUNTS._replace(issued=2),
        COUNTS._replace(rejected={"sold_out": 1}),
        COUNTS._replace(accepted=4, issued=2),
    ],
)
def test_counts_that_are_not_the_coupons_are_refused(
    ops: Connection, old: int, counts: RetiredCounts
) -> None:
    """Then the export lacks something, or the ledger does; nothing is dropped."""
    begin(ops, old)
    assert export(ops, old, counts) == "unbalanced"
    assert find_retired(ops, [old]) == {}


def test_a_row_that_the_counts_do_not_have_is_refused(
    ops: Connection, database: Database, old: int
) -> None:
    begin(ops, old)
    as_owner(database, "INSERT INTO coupon_issue_request VALUES (%s, 99, now())", old)
    assert export(ops, old) == "unbalanced"


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


def test_a_rehearsal_is_purged_and_not_retired(ops: Connection, database: Database) -> None:
    """Nothing of it is worth a file."""
    coupon_id = begin_rehearsal(ops, "of a test", 3, WHO).coupon_id
    archive(database, coupon_id)
    assert list_retirable(ops, YEAR) == []


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


def test_each_proof_waits_for_the_files(ops: Connection, database: Database, old: int) -> None:
    """A user who is erased twice, before the files were looked through."""
    begin(ops, old)
    export(ops, old)
    proofs = [erase(ops, 2).erasure_id]
    as_owner(database, "INSERT INTO idempotency_key VALUES (2, 'k', sha256('x'), %s)", old)
    proofs.append(erase(ops, 2).erasure_id)
    assert proofs[0] != proofs[1]
    assert [count_exports_to_erase(ops, each) for each in proofs] == [1, 1]
    [found] = list_exports_to_erase(ops)
    note_erased_export(ops, found, FILES, WHO)
    assert [count_exports_to_erase(ops, each) for each in proofs] == [0, 0]
    assert list_exports_to_erase(ops) == []


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


def test_an_erasure_notes_each_export_even_of_somebody_unknown(
    ops: Connection, database: Database, old: int
) -> None:
    """The ledger does not know any more whose rows the files have."""
    erase(ops, 70)
    assert list_exports_to_erase(ops) == []
    begin(ops, old)
    erase(ops, 71)
    [found] = list_exports_to_erase(ops)
    assert (found.user_id, found.folder) == (71, None)
    abandon_retirement(ops, old, WHO)
    assert list_exports_to_erase(ops) == []


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
