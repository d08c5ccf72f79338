"""Nothing in the ledger names a user who was erased, whatever table it is in."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import psycopg
import pytest

from coupons.codes import CodeKind
from coupons.ids import FIRST_ERASED_ID
from coupons.ledger.codes import give_code
from coupons.ledger.connection import Connection, connect_ledger
from coupons.ledger.erasures import (
    Erasure,
    erase_in_ledger,
    find_erasure,
    find_requests_to_erase,
)
from coupons.ledger.owned_coupons import expire_issued_coupons, list_changes
from coupons.model import IssuedChange
from operations.verify.lives import find_wrong_changes
from tests.support.changes import change_owned_coupon
from tests.support.databases import Database
from tests.support.issued import as_owner, make_older, request_and_issue, set_terms
from tests.support.ledger import MakeCoupon

USER, OTHER = 7654321, 8
WHO = f"user {USER}"
WEEK = timedelta(days=7)


def erase(connection: Connection, user: int = USER, by: str = "a test") -> Erasure:
    coupons = [request.coupon_id for request in find_requests_to_erase(connection, user)]
    made = erase_in_ledger(connection, user, coupons, by, WEEK)
    proof = find_erasure(connection, made)
    assert proof is not None
    return proof


def test_an_erased_coupon_keeps_its_life_without_names(
    coded_coupon: Callable[..., int], database: Database, api: Connection, ops: Connection
) -> None:
    """States, times and numbers of its orders stay, so that every check of lives still holds."""
    coupon = coded_coupon(CodeKind.POOL, "FIRST1")
    request_and_issue(database, coupon, range(USER, USER + 1))
    code = give_code(api, USER, coupon)
    for order in ("A", "B"):
        for change in (IssuedChange.USE, IssuedChange.CANCEL_USE):
            change_owned_coupon(api, USER, coupon, change, WHO, order_reference=order)
    before = list_changes(api, USER, coupon, 10)

    erase(ops)

    [[nobody]] = as_owner(database, "SELECT user_id FROM issued_coupon")
    after = list_changes(api, nobody, coupon, 10)
    assert nobody >= FIRST_ERASED_ID
    assert [each[:4] for each in after] == [each[:4] for each in before]
    orders = [each.order_reference for each in after]
    assert orders == ["erased 1", "erased 1", "erased 3", "erased 3"]
    assert find_wrong_changes(ops, None, 10) == []
    assert give_code(api, nobody, coupon)[1] == code[1]


def test_two_coupons_of_an_erased_user_have_different_ids(
    make_coupon: MakeCoupon, database: Database, ops: Connection
) -> None:
    """Nothing shows that they belonged to one user."""
    coupons = [make_coupon().coupon_id for _ in range(3)]
    for coupon in coupons:
        request_and_issue(database, coupon, range(USER, USER + 1))

    erase(ops)

    assert len(set(as_owner(database, "SELECT user_id FROM issued_coupon"))) == 3


def test_an_erasure_streams_nothing(make_coupon: MakeCoupon, database: Database) -> None:
    """The publications have inserts only, and no row is inserted into their tables."""
    published = "SELECT pubname FROM pg_publication WHERE pubupdate OR pubdelete OR pubtruncate"
    assert as_owner(database, published) == []
    coupon = make_coupon().coupon_id
    request_and_issue(database, coupon, range(USER, USER + 1))
    inserted = (
        "SELECT sum(n_tup_ins) FROM pg_stat_xact_user_tables"
        " WHERE relname IN ('coupon_issue_request', 'issued_coupon', 'issued_coupon_change')"
    )
    with psycopg.connect(database.url("coupon_owner")) as owner:
        owner.execute("SELECT erase_user(%s, %s, 'a test', NULL)", [USER, [coupon]])
        row = owner.execute(inserted.encode()).fetchone()
    assert row == (0,)


def test_what_was_erased_still_expires(
    make_coupon: MakeCoupon, database: Database, ops: Connection
) -> None:
    """A sweep that has passed the user, or is under way, writes the end under the new id."""
    coupon = make_coupon().coupon_id
    set_terms(database, coupon, days=1)
    request_and_issue(database, coupon, range(USER, USER + 3))
    make_older(database, coupon, range(USER, USER + 3), days=3)
    with connect_ledger(database.url("coupon_reconciler"), "test") as reconciler:
        assert expire_issued_coupons(reconciler, coupon, 1).expired_rows == 1
        erase(ops, USER)
        erase(ops, USER + 1)
        while not expire_issued_coupons(reconciler, coupon, 1).is_done:
            pass

    ended = as_owner(database, "SELECT user_id, to_state FROM issued_coupon_change")
    assert len(ended) == 3
    assert {state for _, state in ended} == {"expired"}


def test_ids_that_replace_users_cannot_be_erased(ops: Connection) -> None:
    """They are nobody's; and no id outside of the users' range is taken."""
    for nobody in (FIRST_ERASED_ID, 2**63 - 1, 0, -1):
        with pytest.raises(psycopg.DataError, match="the id of no user"):
            ops.execute("SELECT erase_user(%s, '{}', 'a test', NULL)", [nobody])


def test_a_proof_names_nobody_and_says_when(
    make_coupon: MakeCoupon, database: Database, ops: Connection
) -> None:
    """When it was done, by whom, how much, and when Kafka has deleted the last record."""
    request_and_issue(database, make_coupon().coupon_id, range(USER, USER + 1))

    proof = erase(ops)

    assert isinstance(proof.erasure_id, UUID)
    assert abs(proof.erased_at - datetime.now(UTC)) < timedelta(minutes=1)
    assert proof.log_forgets_at is not None
    assert proof.log_forgets_at - proof.erased_at < WEEK + timedelta(minutes=1)
    [[action, detail]] = as_owner(
        database, "SELECT action, detail FROM operator_action WHERE action = 'erase user'"
    )
    assert (action, detail) == ("erase user", f"erasure {proof.erasure_id}")
