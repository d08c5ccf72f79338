"""A retired coupon in the ledger: when it may begin, and that nothing of it changes."""

from collections.abc import Callable
from datetime import timedelta

import psycopg
import pytest
from psycopg.errors import CheckViolation

from coupons.codes import CodeKind
from coupons.ledger.codes import give_code, remove_free_codes
from coupons.ledger.connection import Connection
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
    find_retired,
    has_ended,
    is_of_a_retired_coupon,
    list_retirable,
    running_until,
)
from coupons.model import IssuedChange
from coupons.waiting import eventually
from tests.ledger.retirements import COUNTS, FILES, WHO, YEAR, begin, export
from tests.ledger.test_erasing import erase
from tests.support.changes import change_owned_coupon
from tests.support.codes import upload
from tests.support.databases import Database
from tests.support.issued import as_owner, issue, request_and_issue
from tests.support.ledger import MakeCoupon
from tests.support.retiring import archive, rows


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
    with pytest.raises(CheckViolation) as refused:
        give_code(api, 1, made)
    assert is_of_a_retired_coupon(refused.value)


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


def test_a_rehearsal_is_purged_and_not_retired(ops: Connection, database: Database) -> None:
    """Nothing of it is worth a file."""
    coupon_id = begin_rehearsal(ops, "of a test", 3, WHO).coupon_id
    archive(database, coupon_id)
    assert list_retirable(ops, YEAR) == []


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
