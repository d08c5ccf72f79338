"""What the tests of the ledger share."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing

import psycopg
import pytest

from coupons.codes import CodeKind
from coupons.ledger.codes import CodesOutcome, choose_codes
from coupons.ledger.connection import Connection, connect_ledger
from coupons.ledger.rehearsals import begin_rehearsal
from coupons.model import Coupon
from tests.support.codes import WHO, upload
from tests.support.databases import Database
from tests.support.issued import issue, request_and_issue, set_terms
from tests.support.ledger import MakeCoupon
from tests.support.retiring import archive

CHANGED_USER = 7


@pytest.fixture
def api(database: Database) -> Iterator[Connection]:
    """A connection with the rights of the API."""
    with closing(connect_ledger(database.url("coupon_api"), "test")) as connection:
        yield connection


@pytest.fixture
def ops(database: Database) -> Iterator[Connection]:
    with closing(connect_ledger(database.url("coupon_ops"), "test")) as connection:
        yield connection


@pytest.fixture
def coupon_id(database: Database, make_coupon: MakeCoupon) -> int:
    """Of a coupon that is valid for a day; CHANGED_USER has one."""
    made = make_coupon().coupon_id
    set_terms(database, made, days=1)
    request_and_issue(database, made, range(CHANGED_USER, CHANGED_USER + 1))
    return made


@pytest.fixture
def coded_coupon(make_coupon: MakeCoupon, api: Connection) -> Callable[..., int]:
    """Makes a coupon with this kind of codes, and these in its pool."""

    def make(kind: CodeKind, *pool: str, total: int = 2_000) -> int:
        coupon_id = make_coupon(total_quantity=total).coupon_id
        assert choose_codes(api, coupon_id, kind, WHO)[0] is CodesOutcome.DONE
        if pool:
            assert upload(api, coupon_id, pool).added == len(pool)
        return coupon_id

    return make


@pytest.fixture
def issue_to(database: Database) -> Callable[[int, Sequence[int]], None]:
    """Issues a coupon to users as the consumer does."""

    def issue_all(coupon_id: int, users: Sequence[int]) -> None:
        issue(database, *((coupon_id, user) for user in users))

    return issue_all


@pytest.fixture
def consumer(database: Database) -> Iterator[Connection]:
    with connect_ledger(database.url("coupon_consumer"), "test") as connection:
        yield connection


@pytest.fixture
def rehearsal(ops: Connection) -> Coupon:
    return begin_rehearsal(ops, "of a test", 3, "somebody")


@pytest.fixture
def old(database: Database, make_coupon: MakeCoupon) -> int:
    """Archived long ago: three issued, two rejected."""
    coupon_id = make_coupon(total_quantity=3).coupon_id
    request_and_issue(database, coupon_id, range(1, 6))
    archive(database, coupon_id)
    return coupon_id


@pytest.fixture
def running(database: Database) -> Iterator[psycopg.Connection]:
    with closing(psycopg.connect(database.url("coupon_owner"))) as owner:
        owner.execute("SELECT pg_current_xact_id()")
        yield owner
