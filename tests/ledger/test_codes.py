"""Codes in the ledger: each issued coupon gets one, once, and no code is given twice."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import psycopg
import pytest
from psycopg import errors

from coupons import codes as forms
from coupons.codes import CodeKind, has_made_form, key_of, make_code
from coupons.errors import LedgerUnavailable
from coupons.ledger import codes as ledger_codes
from coupons.ledger.codes import (
    CodesOutcome,
    CouponCodes,
    FoundCode,
    choose_codes,
    find_code,
    give_code,
    read_codes,
)
from coupons.ledger.connection import Connection, connect_ledger
from coupons.model import IssuedState
from coupons.waiting import eventually
from tests.support.codes import WHO, upload
from tests.support.databases import Database
from tests.support.ledger import MakeCoupon

NOW_US = 1_700_000_000_000_000


def in_parallel(database: Database, users: Sequence[int], coupon_id: int) -> list[str]:
    """Ask for the codes of these users over 25 connections at once. Returns them.

    Every third gets one in a transaction that is rolled back, and asks again.
    """
    with ThreadPoolExecutor(25) as threads:
        shares = [users[at::25] for at in range(min(25, len(users)))]
        found = list(threads.map(lambda share: _ask(database, share, coupon_id), shares))
    return [code for each in found for code in each]


def _ask(database: Database, users: Sequence[int], coupon_id: int) -> list[str]:
    with closing(connect_ledger(database.url("coupon_api"), "test")) as connection:
        found = []
        for user in users:
            if user % 3 == 0:
                connection.execute("BEGIN")
                give_code(connection, user, coupon_id)
                connection.execute("ROLLBACK")
            outcome, code = give_code(connection, user, coupon_id)
            assert outcome is CodesOutcome.DONE, (user, outcome)
            found.append(code)
        return found


@pytest.mark.parametrize("kind", [CodeKind.MADE, CodeKind.POOL])
def test_100_calls_at_once_for_one_coupon_give_one_code(
    kind: CodeKind,
    coded_coupon: Callable[..., int],
    issue_to: Callable[..., None],
    database: Database,
) -> None:
    pool = [f"P{n}" for n in range(200)] if kind is CodeKind.POOL else []
    coupon_id = coded_coupon(kind, *pool)
    issue_to(coupon_id, [1])
    assert len(set(in_parallel(database, [1] * 100, coupon_id))) == 1
    with psycopg.connect(database.url("coupon_owner")) as owner:
        given = owner.execute("SELECT count(*) FROM coupon_code WHERE user_id IS NOT NULL")
        assert given.fetchone() == (1,)


@pytest.mark.parametrize("kind", [CodeKind.MADE, CodeKind.POOL])
def test_1000_users_at_once_get_each_one_code_none_twice(
    kind: CodeKind,
    coded_coupon: Callable[..., int],
    issue_to: Callable[..., None],
    database: Database,
    api: Connection,
) -> None:
    """A pool of 1,000 is given completely: no code twice, and none is skipped."""
    pool = [f"P{n}" for n in range(1_000)] if kind is CodeKind.POOL else []
    coupon_id = coded_coupon(kind, *pool)
    users = range(1, 1_001)
    issue_to(coupon_id, users)
    found = in_parallel(database, users, coupon_id)
    assert len(set(found)) == 1_000
    assert not pool or set(found) == set(pool)
    assert read_codes(api, coupon_id) == CouponCodes(kind, 2_000, len(pool), 1_000)


def test_a_pool_is_exhausted_only_when_all_others_have_committed(
    coded_coupon: Callable[..., int],
    issue_to: Callable[..., None],
    database: Database,
    api: Connection,
) -> None:
    """Who asks while the last code is held waits: it gets the code when the other rolls back."""
    coupon_id = coded_coupon(CodeKind.POOL, "LAST")
    issue_to(coupon_id, [1, 2, 3])
    with closing(connect_ledger(database.url("coupon_api"), "holder")) as holder:
        holder.execute("BEGIN")
        assert give_code(holder, 1, coupon_id) == (CodesOutcome.DONE, "LAST")
        with ThreadPoolExecutor(1) as thread:
            asked = thread.submit(give_code, api, 2, coupon_id)
            wait_for_lock(database)
            assert not asked.done()
            holder.execute("ROLLBACK")
            assert asked.result() == (CodesOutcome.DONE, "LAST")
        for user in (1, 3):
            assert give_code(holder, user, coupon_id) == (CodesOutcome.EXHAUSTED, "")


def test_who_waits_for_the_last_code_learns_that_it_is_given(
    coded_coupon: Callable[..., int],
    issue_to: Callable[..., None],
    database: Database,
    api: Connection,
) -> None:
    coupon_id = coded_coupon(CodeKind.POOL, "A", "B")
    issue_to(coupon_id, [1, 2, 3])
    with closing(connect_ledger(database.url("coupon_api"), "holder")) as holder:
        holder.execute("BEGIN")
        for user in (1, 2):
            give_code(holder, user, coupon_id)
        with ThreadPoolExecutor(1) as thread:
            asked = thread.submit(give_code, api, 3, coupon_id)
            wait_for_lock(database)
            holder.execute("COMMIT")
            assert asked.result() == (CodesOutcome.EXHAUSTED, "")


def wait_for_lock(database: Database) -> None:
    with psycopg.connect(database.superuser_url, autocommit=True) as superuser:
        waiting = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = %s"
        eventually(
            lambda: superuser.execute(waiting, [database.name]).fetchone() is not None,
            what="somebody waits for a lock",
        )


def test_a_code_that_was_given_stays_and_is_found(
    coded_coupon: Callable[..., int], issue_to: Callable[..., None], api: Connection
) -> None:
    coupon_id = coded_coupon(CodeKind.MADE)
    issue_to(coupon_id, [1])
    _, code = give_code(api, 1, coupon_id)
    assert give_code(api, 1, coupon_id) == (CodesOutcome.DONE, code)
    found = find_code(api, key_of(code.lower().replace("0", "o").replace("-", " ")))
    assert found == FoundCode(code, 1, coupon_id, IssuedState.ACTIVE, None, None)
    assert find_code(api, key_of(make_code())) is None


def test_a_revoked_coupon_keeps_its_code_and_gets_no_new_one(
    coded_coupon: Callable[..., int], issue_to: Callable[..., None], api: Connection
) -> None:
    coupon_id = coded_coupon(CodeKind.POOL, "A", "B")
    issue_to(coupon_id, [1, 2])
    assert give_code(api, 1, coupon_id)[0] is CodesOutcome.DONE
    for user in (1, 2):
        api.execute(
            "SELECT change_issued_coupon(%s, %s, 'revoke', NULL, 'fraud', 'a test')",
            [user, coupon_id],
        )
    outcome, code = give_code(api, 1, coupon_id)
    assert outcome is CodesOutcome.DONE
    found = find_code(api, key_of(code))
    assert found is not None
    assert found.state == "revoked"
    assert give_code(api, 2, coupon_id) == (CodesOutcome.REVOKED, "")
    assert read_codes(api, coupon_id) == CouponCodes(CodeKind.POOL, 2_000, 2, 1)


def test_an_expired_coupon_gets_no_new_code(
    make_coupon: MakeCoupon, issue_to: Callable[..., None], api: Connection, database: Database
) -> None:
    coupon_id = make_coupon().coupon_id
    choose_codes(api, coupon_id, CodeKind.MADE, WHO)
    with psycopg.connect(database.url("coupon_owner")) as owner:
        owner.execute("UPDATE coupon SET valid_until = now() - interval '1 hour'")
    issue_to(coupon_id, [1])
    assert give_code(api, 1, coupon_id) == (CodesOutcome.EXPIRED, "")


def test_who_has_no_coupon_gets_no_code(coded_coupon: Callable[..., int], api: Connection) -> None:
    coupon_id = coded_coupon(CodeKind.POOL, "A")
    assert give_code(api, 1, coupon_id) == (CodesOutcome.NOT_FOUND, "")
    assert read_codes(api, coupon_id) == CouponCodes(CodeKind.POOL, 2_000, 1, 0)


def test_the_kind_of_codes_stays_once_there_is_one(
    coded_coupon: Callable[..., int],
    issue_to: Callable[..., None],
    api: Connection,
    database: Database,
) -> None:
    """Given or uploaded; before, it may change. The database holds that against anybody."""
    made, pool = coded_coupon(CodeKind.MADE), coded_coupon(CodeKind.POOL)
    for kind in (CodeKind.NONE, CodeKind.POOL, CodeKind.MADE):
        chosen = CodesOutcome.DONE, CouponCodes(kind, 2_000, 0, 0)
        assert choose_codes(api, made, kind, WHO) == chosen
    issue_to(made, [1])
    give_code(api, 1, made)
    upload(api, pool, ["A"])
    for coupon_id, kind in ((made, CodeKind.MADE), (pool, CodeKind.POOL)):
        for other in CodeKind:
            expected = CodesOutcome.DONE if other is kind else CodesOutcome.EXIST
            assert choose_codes(api, coupon_id, other, WHO)[0] is expected
        with (
            psycopg.connect(database.url("coupon_owner")) as owner,
            pytest.raises(errors.ForeignKeyViolation, match="code_is_of_its_kind"),
        ):
            owner.execute(
                "UPDATE coupon_codes SET kind = 'none', pool_size = 0 WHERE coupon_id = %s",
                [coupon_id],
            )
    assert choose_codes(api, 99, CodeKind.MADE, WHO)[0] is CodesOutcome.NOT_FOUND


def test_codes_that_cannot_be_read_back_are_not_chosen(
    coded_coupon: Callable[..., int], api: Connection, database: Database
) -> None:
    """What is answered as "nothing was done" is true."""
    coupon_id = coded_coupon(CodeKind.MADE)
    with psycopg.connect(database.url("coupon_owner"), autocommit=True) as owner:
        owner.execute("REVOKE SELECT ON coupon_code FROM coupon_api")
        with pytest.raises(LedgerUnavailable):
            choose_codes(api, coupon_id, CodeKind.POOL, WHO)
        owner.execute("GRANT SELECT ON coupon_code TO coupon_api")
    with connect_ledger(database.url("coupon_api"), "test") as another:
        assert read_codes(another, coupon_id) == CouponCodes(CodeKind.MADE, 2_000, 0, 0)


def test_the_kind_cannot_change_while_the_first_code_is_given(
    coded_coupon: Callable[..., int],
    issue_to: Callable[..., None],
    api: Connection,
    database: Database,
) -> None:
    coupon_id = coded_coupon(CodeKind.MADE)
    issue_to(coupon_id, [1])
    with closing(connect_ledger(database.url("coupon_api"), "holder")) as giving:
        giving.execute("BEGIN")
        give_code(giving, 1, coupon_id)
        assert choose_codes(api, coupon_id, CodeKind.NONE, WHO)[0] is CodesOutcome.BUSY
        giving.execute("ROLLBACK")
    assert choose_codes(api, coupon_id, CodeKind.NONE, WHO)[0] is CodesOutcome.DONE
    assert give_code(api, 1, coupon_id) == (CodesOutcome.NONE, "")


def test_a_code_that_another_coupon_has_is_made_again(
    coded_coupon: Callable[..., int],
    issue_to: Callable[..., None],
    api: Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, second = coded_coupon(CodeKind.MADE), coded_coupon(CodeKind.MADE)
    for coupon_id in (first, second):
        issue_to(coupon_id, [1])
    same, other = make_code(), make_code()
    offered = iter([same, same, same, other])
    monkeypatch.setattr(ledger_codes, "make_code", lambda: next(offered))
    assert give_code(api, 1, first) == (CodesOutcome.DONE, same)
    assert give_code(api, 1, second) == (CodesOutcome.DONE, other)


@pytest.mark.parametrize(
    "code", ["AbC dEf", "oil-OIL", "a_b.c", "0", "UuVv-", "i" * 64, "Zz 9-._oO"]
)
def test_sql_and_python_agree_about_a_code(code: str, api: Connection) -> None:
    row = api.execute("SELECT code_key(%s)", [code]).fetchone()
    assert row == (key_of(code),)


def test_the_table_takes_no_code_of_another_form(
    coded_coupon: Callable[..., int], database: Database
) -> None:
    """Of its kind, of what can be typed, and of what is longest, whoever writes it."""
    pool = coded_coupon(CodeKind.POOL)
    with psycopg.connect(database.url("coupon_owner"), autocommit=True) as owner:
        for code in (make_code(), "A\nB", "", "--", "x" * (forms.LONGEST_CODE + 1), "Ä"):
            with pytest.raises(errors.CheckViolation):
                owner.execute(
                    "INSERT INTO coupon_code (code, coupon_id, kind) VALUES (%s, %s, 'pool')",
                    [code, pool],
                )
    assert has_made_form(key_of(make_code()))
