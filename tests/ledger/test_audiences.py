"""Lists of users in the ledger: what is no list, uploads that are left, users who are erased."""

import random
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import psycopg
import pytest

from coupons.ids import FIRST_ERASED_ID
from coupons.ledger.audience_uploads import (
    USERS_A_CHUNK,
    AudienceUpload,
    begin_audience_upload,
    find_audience_upload,
    forget_audience_uploads,
    set_audience,
    take_part,
)
from coupons.ledger.audiences import (
    AudienceOutcome,
    find_audience,
    is_listed,
    list_audiences,
    parse_form,
    remove_audience,
)
from coupons.ledger.connection import Connection, connect_ledger
from coupons.waiting import eventually
from tests.ledger.test_erasing import OTHER, USER, erase
from tests.support.audiences import WHO, list_users
from tests.support.databases import Database
from tests.support.issued import as_owner, waiters
from tests.support.ledger import MakeCoupon

PART = AudienceUpload(taken_bytes=1, lines=1)


def begun(api: Connection, coupon_id: int) -> UUID:
    outcome, upload_id = begin_audience_upload(api, coupon_id)
    assert (outcome, upload_id is None) == (AudienceOutcome.BEGUN, False)
    assert upload_id is not None
    return upload_id


def test_two_who_take_an_upload_over_at_once_do_so_one_after_the_other(
    make_coupon: MakeCoupon, api: Connection, database: Database
) -> None:
    """As when a call is repeated while the first one is still under way."""
    coupon_id = make_coupon().coupon_id
    begun(api, coupon_id)
    with (
        connect_ledger(database.url("coupon_api"), "test") as other,
        psycopg.connect(database.url("coupon_owner")) as holder,
        ThreadPoolExecutor(2) as threads,
    ):
        holder.execute("SELECT FROM audience_upload FOR UPDATE")
        both = [threads.submit(begun, each, coupon_id) for each in (api, other)]
        eventually(lambda: waiters(database) == 2, what="both see the upload before them")
        holder.rollback()
        uploads = [each.result() for each in both]
        found = [find_audience_upload(other, coupon_id, each) for each in uploads]
    assert sorted(found, key=bool) == [None, AudienceUpload()]


def test_ids_that_share_a_prime_are_divided_by_another(
    make_coupon: MakeCoupon, api: Connection
) -> None:
    """One chunk with all of them would cost each claim a search of all of them."""
    coupon_id, many = make_coupon().coupon_id, 20 * USERS_A_CHUNK
    assert list_users(api, coupon_id, range(1, many)) is AudienceOutcome.DONE
    prime = parse_form(list_audiences(api)[coupon_id]).chunks
    shared = [prime * number for number in range(1, many)]
    assert list_users(api, coupon_id, shared) is AudienceOutcome.DONE
    assert parse_form(list_audiences(api)[coupon_id]).chunks > prime
    assert is_listed(api, coupon_id, shared[-1])
    assert not is_listed(api, coupon_id, shared[-1] + 1)


def test_ids_that_no_prime_divides_evenly_are_no_list(
    make_coupon: MakeCoupon, api: Connection
) -> None:
    """Made by somebody who wants one large chunk. Everybody may claim the coupon as before."""
    coupon_id, many = make_coupon().coupon_id, 20 * USERS_A_CHUNK
    shared = [23 * 29 * 31 * 37 * number for number in range(1, many)]
    assert list_users(api, coupon_id, shared) is AudienceOutcome.UNEVEN
    assert list_audiences(api) == {}


def test_of_two_parts_from_the_same_byte_on_one_is_taken(
    make_coupon: MakeCoupon, api: Connection
) -> None:
    coupon_id = make_coupon().coupon_id
    upload_id = begun(api, coupon_id)
    assert take_part(api, coupon_id, upload_id, AudienceUpload(), PART, [1])
    assert not take_part(api, coupon_id, upload_id, AudienceUpload(), PART, [2])
    assert set_audience(api, coupon_id, upload_id, 1, WHO) is AudienceOutcome.DONE
    assert (is_listed(api, coupon_id, 1), is_listed(api, coupon_id, 2)) == (True, False)


def test_an_upload_that_is_left_is_removed_after_a_day(
    make_coupon: MakeCoupon, api: Connection, database: Database
) -> None:
    """With its users. One that somebody goes on with stays."""
    left, used = make_coupon().coupon_id, make_coupon().coupon_id
    uploads = {coupon_id: begun(api, coupon_id) for coupon_id in (left, used)}
    for coupon_id, upload_id in uploads.items():
        assert take_part(api, coupon_id, upload_id, AudienceUpload(), PART, [1])
    as_owner(
        database,
        "UPDATE audience_upload SET changed_at = now() - interval '25 hours' WHERE coupon_id = %s",
        left,
    )
    with connect_ledger(database.url("coupon_reconciler"), "test") as reconciler:
        assert forget_audience_uploads(reconciler) == 1
        assert forget_audience_uploads(reconciler) == 0
    assert find_audience_upload(api, left, uploads[left]) is None
    assert find_audience_upload(api, used, uploads[used]) is not None
    assert as_owner(database, "SELECT count(*) FROM audience_upload_part") == [(1,)]


def test_a_coupon_that_is_closed_before_the_end_takes_no_list(
    make_coupon: MakeCoupon, api: Connection
) -> None:
    """It is still seen under the lock of its row, and nothing is left of the list."""
    coupon_id = make_coupon().coupon_id
    upload_id = begun(api, coupon_id)
    assert take_part(api, coupon_id, upload_id, AudienceUpload(), PART, [1])
    api.execute("UPDATE coupon SET state = 'closed' WHERE coupon_id = %s", [coupon_id])
    assert set_audience(api, coupon_id, upload_id, 1, WHO) is AudienceOutcome.CLOSED
    found = find_audience(api, coupon_id)
    assert found is not None
    assert (found.form, found.size) == ("", None)


@pytest.mark.parametrize("shape", ["dense", "random", "alone"])
def test_an_erased_user_is_on_no_list_and_in_no_upload(
    make_coupon: MakeCoupon, api: Connection, ops: Connection, database: Database, shape: str
) -> None:
    """The others stay. Each list gets another version, so that the gate gets it, too."""
    some = random.Random(1).sample(range(1, FIRST_ERASED_ID), 3_000)
    users = {"dense": range(USER - 1_500, USER + 1_500), "random": [*some, USER], "alone": [USER]}
    listing, other, uploading = (make_coupon().coupon_id for _ in range(3))
    assert list_users(api, listing, users[shape]) is AudienceOutcome.DONE
    assert list_users(api, other, [OTHER, USER + 1]) is AudienceOutcome.DONE
    upload_id = begun(api, uploading)
    assert take_part(api, uploading, upload_id, AudienceUpload(), PART, [OTHER, USER])
    before = list_audiences(api)

    proof = erase(ops, by="user 1")

    assert (proof.counts["coupon_audience"], proof.counts["audience_upload_part"]) == (1, 1)
    assert not is_listed(api, listing, USER)
    rest = set(users[shape]) - {USER}
    for user in random.Random(2).sample(sorted(rest), min(len(rest), 50)):
        assert is_listed(api, listing, user)
    found, after = find_audience(api, listing), list_audiences(api)
    assert found is not None
    assert found.size == len(rest)
    old, new = parse_form(before[listing]), parse_form(after[listing])
    assert new.version > old.version
    assert (new[1:], after[other]) == (old[1:], before[other])
    assert set_audience(api, uploading, upload_id, 2, WHO) is AudienceOutcome.DONE
    assert not is_listed(api, uploading, USER)


def test_a_list_is_not_made_while_a_user_is_erased(
    make_coupon: MakeCoupon, api: Connection, database: Database
) -> None:
    """The erasure would see neither the upload nor the list."""
    coupon_id = make_coupon().coupon_id
    upload_id = begun(api, coupon_id)
    assert take_part(api, coupon_id, upload_id, AudienceUpload(), PART, [USER])
    with ThreadPoolExecutor(1) as pool, psycopg.connect(database.url("coupon_owner")) as owner:
        owner.execute("SELECT erase_user(%s, '{}', 'a test', NULL)", [USER])
        setting = pool.submit(set_audience, api, coupon_id, upload_id, 1, WHO)
        eventually(lambda: waiters(database) == 1, what="the list waits for the erasure")
        owner.commit()
        assert setting.result() is AudienceOutcome.EMPTY


def test_a_list_that_is_removed_while_another_is_set_is_removed_with_it(
    make_coupon: MakeCoupon, api: Connection, database: Database
) -> None:
    """No list is left that no coupon has: an erasure would not find it."""
    coupon_id = make_coupon().coupon_id
    assert list_users(api, coupon_id, [USER]) is AudienceOutcome.DONE
    upload_id = begun(api, coupon_id)
    assert take_part(api, coupon_id, upload_id, AudienceUpload(), PART, [USER, OTHER])
    with ThreadPoolExecutor(1) as pool, psycopg.connect(database.url("coupon_owner")) as owner:
        owner.execute("SELECT set_audience(%s, %s, '{1}', 9, 'a test')", [coupon_id, upload_id])
        removing = pool.submit(remove_audience, api, coupon_id, WHO)
        eventually(lambda: waiters(database) == 1, what="the removal waits for the list")
        owner.commit()
        assert removing.result() is AudienceOutcome.DONE
    assert list_audiences(api) == {}
    for table in ("coupon_audience", "coupon_audience_chunk"):
        assert as_owner(database, f"SELECT count(*) FROM {table}") == [(0,)]


@pytest.mark.parametrize("line", [f"{USER}", f'"{USER}"\r', f"\ufeff{USER}", f"00{USER} "])
def test_a_line_that_is_not_whole_names_no_erased_user(
    make_coupon: MakeCoupon, api: Connection, ops: Connection, line: str
) -> None:
    """It is no user whatever follows. What was read before the erasure is not taken after it."""
    coupon_id = make_coupon().coupon_id
    upload_id = begun(api, coupon_id)
    seen = AudienceUpload(taken_bytes=len(line), unfinished=line.encode())
    assert take_part(api, coupon_id, upload_id, AudienceUpload(), seen, [])
    erase(ops)
    found = find_audience_upload(api, coupon_id, upload_id)
    assert found is not None
    assert found.unfinished == b"erased"
    assert not take_part(api, coupon_id, upload_id, seen, PART, [USER])


def test_an_unfinished_line_of_others_stays(
    make_coupon: MakeCoupon, api: Connection, ops: Connection
) -> None:
    coupon_id = make_coupon().coupon_id
    upload_id = begun(api, coupon_id)
    seen = AudienceUpload(taken_bytes=9, unfinished=f"{USER}0".encode())
    assert take_part(api, coupon_id, upload_id, AudienceUpload(), seen, [])
    erase(ops)
    assert find_audience_upload(api, coupon_id, upload_id) == seen


def test_an_erasure_waits_for_a_part_that_is_being_taken(
    make_coupon: MakeCoupon, api: Connection, ops: Connection, database: Database
) -> None:
    """It would not see the users of the part."""
    coupon_id = make_coupon().coupon_id
    upload_id = begun(api, coupon_id)
    statement = "SELECT take_audience_part(%s, %s, 0, 0, '', 1, 2, '', %s, '{}', '[]')"
    with ThreadPoolExecutor(1) as pool, psycopg.connect(database.url("coupon_owner")) as owner:
        owner.execute(statement, [coupon_id, upload_id, [USER, OTHER]])
        erasing = pool.submit(erase, ops)
        eventually(lambda: waiters(database) == 1, what="the erasure waits for the part")
        owner.commit()
        assert erasing.result().counts["audience_upload_part"] == 1
    assert as_owner(database, "SELECT user_ids FROM audience_upload_part") == [([OTHER],)]
