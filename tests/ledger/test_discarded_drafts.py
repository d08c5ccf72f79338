"""Drafts that are discarded: nothing is left but an id that is never used again."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from typing import TypeVar

import psycopg
import pytest

from coupons.codes import CodeKind
from coupons.errors import NotThere
from coupons.ledger.admin_states import open_draft
from coupons.ledger.audience_uploads import begin_audience_upload
from coupons.ledger.audiences import AudienceOutcome
from coupons.ledger.codes import CodesOutcome, choose_codes
from coupons.ledger.connection import Connection, connect_ledger
from coupons.ledger.coupons import change_coupon, create_coupon, find_coupon
from coupons.ledger.discarded import (
    DraftBusy,
    DraftChanged,
    NotADraft,
    discard_draft,
    find_discarded,
)
from coupons.ledger.rehearsals import begin_rehearsal
from coupons.ledger.waiting_rooms import set_waiting_room
from coupons.model import Coupon, CouponState
from coupons.queries import query
from coupons.rooms import RoomOrder, WaitingRoom
from coupons.waiting import eventually
from tests.support.audiences import list_users
from tests.support.codes import upload
from tests.support.databases import Database
from tests.support.issued import as_owner, waiters
from tests.support.ledger import MakeCoupon
from tests.support.retiring import archive

T = TypeVar("T")

WHO = "user 7"
ROWS = "SELECT table_name FROM count_rows_of_coupon(%s) WHERE row_count > 0 ORDER BY 1"
TRAIL = "SELECT acted_by, action, detail, changes FROM operator_action ORDER BY action_id DESC"


@pytest.fixture
def draft(make_coupon: MakeCoupon) -> Coupon:
    return make_coupon(state="draft", name="Noon sale", total_quantity=20)


def fill(api: Connection, coupon_id: int) -> None:
    """What can belong to a draft: codes, a list of users, an upload of another one, a room."""
    choose_codes(api, coupon_id, CodeKind.POOL, WHO)
    assert upload(api, coupon_id, ("A", "B", "C")).added == 3
    list_users(api, coupon_id, (1, 2))
    begin_audience_upload(api, coupon_id)
    set_waiting_room(api, coupon_id, WaitingRoom(5, RoomOrder.LOT), WHO)


def test_everything_of_a_draft_goes_and_the_trail_says_what_it_was(
    api: Connection, database: Database, draft: Coupon, make_coupon: MakeCoupon
) -> None:
    other = make_coupon(state="draft").coupon_id
    fill(api, draft.coupon_id)
    list_users(api, other, (1,))
    kept = as_owner(database, ROWS, other)
    discarded = discard_draft(api, draft.coupon_id, WHO)
    assert (discarded.coupon_id, discarded.codes, discarded.listed_users) == (draft.coupon_id, 3, 2)
    assert discard_draft(api, draft.coupon_id, "user 8", [1]) == discarded
    left = as_owner(database, ROWS, draft.coupon_id)
    assert left == [("discarded_coupon",), ("operator_action",)]
    assert as_owner(database, ROWS, other) == kept
    who, action, said, changes = as_owner(database, TRAIL)[0]
    assert (who, action) == (WHO, "discard draft")
    assert said == "20 of Noon sale; 3 codes, 2 users of its list"
    assert changes["state"] == {"from": "draft", "to": None}
    assert changes["name"] == {"from": "Noon sale", "to": None}


def create(api: Connection, coupon_id: int | None) -> Coupon | None:
    return create_coupon(
        api,
        coupon_id=coupon_id,
        name="n",
        total_quantity=1,
        issue_starts_at=None,
        issue_ends_at=None,
        eligible_group=None,
    )


def test_its_id_is_never_used_again(
    api: Connection, ops: Connection, draft: Coupon, make_coupon: MakeCoupon
) -> None:
    """Neither by choice, nor by the sequence, nor by a rehearsal."""
    following = make_coupon(coupon_id=draft.coupon_id + 1, state="draft").coupon_id
    for each in (draft.coupon_id, following):
        discard_draft(api, each, WHO)
        assert create(api, each) is None
    rehearsal, made = begin_rehearsal(ops, "n", 1, WHO), create(api, None)
    assert made is not None
    assert not {rehearsal.coupon_id, made.coupon_id} & {draft.coupon_id, following}


@pytest.mark.parametrize("state", ["open", "paused", "closed", "archived"])
def test_what_was_opened_is_not_discarded(
    api: Connection, database: Database, draft: Coupon, state: str
) -> None:
    assert open_draft(api, draft.coupon_id)
    if state == "archived":
        archive(database, draft.coupon_id)
    elif state != "open":
        change_coupon(api, draft.coupon_id, state=CouponState(state))
    with pytest.raises(NotADraft, match=f"is {state}"):
        discard_draft(api, draft.coupon_id, WHO)
    assert find_coupon(api, draft.coupon_id) is not None


def test_only_the_version_that_was_seen_is_discarded(api: Connection, draft: Coupon) -> None:
    """And what was uploaded stays with one that is not."""
    fill(api, draft.coupon_id)
    with pytest.raises(DraftChanged):
        discard_draft(api, draft.coupon_id, WHO, [draft.version])
    found = find_coupon(api, draft.coupon_id)
    assert found is not None
    discarded = discard_draft(api, draft.coupon_id, WHO, [found.version])
    assert (discarded.codes, discarded.listed_users) == (3, 2)
    with pytest.raises(NotThere):
        discard_draft(api, 999, WHO)


def test_a_draft_whose_codes_are_being_uploaded_is_not_discarded(
    api: Connection, database: Database, draft: Coupon
) -> None:
    fill(api, draft.coupon_id)
    with closing(connect_ledger(database.url("coupon_api"), "uploader")) as uploader:
        uploader.execute("BEGIN")
        uploader.execute(query("begin_pool_upload"), {"coupon_id": draft.coupon_id})
        with pytest.raises(DraftBusy):
            discard_draft(api, draft.coupon_id, WHO)
        uploader.execute("ROLLBACK")
    assert discard_draft(api, draft.coupon_id, WHO).codes == 3


def that_waited(
    database: Database, began: Callable[[Connection], object], call: Callable[[], T]
) -> Future[T]:
    """What became of a call that has to wait for whoever began something else, and then commits."""
    with (
        closing(connect_ledger(database.url("coupon_api"), "other")) as other,
        ThreadPoolExecutor(1) as thread,
    ):
        other.execute("BEGIN")
        began(other)
        called = thread.submit(call)
        eventually(lambda: waiters(database) == 1, what="it waits")
        other.execute("COMMIT")
    return called


def test_an_upload_that_has_begun_meanwhile_keeps_the_draft(
    api: Connection, database: Database, draft: Coupon
) -> None:
    """It refers to the coupon, and is waited for; then there is something that nobody has seen."""
    discarding = that_waited(
        database,
        lambda uploader: begin_audience_upload(uploader, draft.coupon_id),
        lambda: discard_draft(api, draft.coupon_id, WHO),
    )
    with pytest.raises(DraftBusy):
        discarding.result()
    assert discard_draft(api, draft.coupon_id, WHO).listed_users == 0


def test_of_opening_and_discarding_at_once_one_is_done(
    api: Connection, database: Database, draft: Coupon
) -> None:
    discarding = that_waited(
        database,
        lambda opener: open_draft(opener, draft.coupon_id),
        lambda: discard_draft(api, draft.coupon_id, WHO),
    )
    with pytest.raises(NotADraft):
        discarding.result()
    found = find_coupon(api, draft.coupon_id)
    assert found is not None
    assert found.state is CouponState.OPEN


def test_an_id_that_is_being_discarded_is_not_used_again(
    api: Connection, database: Database, draft: Coupon
) -> None:
    """Whoever chooses it waits for the end of the discard."""
    creating = that_waited(
        database,
        lambda discarder: discard_draft(discarder, draft.coupon_id, WHO),
        lambda: create(api, draft.coupon_id),
    )
    assert creating.result() is None
    assert as_owner(database, ROWS, draft.coupon_id) == [
        ("discarded_coupon",),
        ("operator_action",),
    ]


def test_codes_that_are_chosen_for_a_draft_that_is_being_discarded_find_none(
    api: Connection, database: Database, draft: Coupon
) -> None:
    choosing = that_waited(
        database,
        lambda discarder: discard_draft(discarder, draft.coupon_id, WHO),
        lambda: choose_codes(api, draft.coupon_id, CodeKind.POOL, WHO),
    )
    assert choosing.result() == (CodesOutcome.NOT_FOUND, None)


def test_a_list_that_is_begun_for_a_draft_that_is_being_discarded_finds_none(
    api: Connection, database: Database, draft: Coupon
) -> None:
    beginning = that_waited(
        database,
        lambda discarder: discard_draft(discarder, draft.coupon_id, WHO),
        lambda: begin_audience_upload(api, draft.coupon_id),
    )
    assert beginning.result() == (AudienceOutcome.NOT_FOUND, None)


def test_the_reconciler_sees_which_were_discarded(
    api: Connection, database: Database, draft: Coupon, make_coupon: MakeCoupon
) -> None:
    """And on a schema from before there are none."""
    discard_draft(api, draft.coupon_id, WHO)
    with closing(connect_ledger(database.url("coupon_reconciler"), "test")) as reconciler:
        wanted = [draft.coupon_id, draft.coupon_id + 1]
        assert find_discarded(reconciler, wanted) == {draft.coupon_id}
        taken = "INSERT INTO discarded_coupon VALUES (%s, now(), 0, 0) RETURNING coupon_id"
        as_owner(database, taken, make_coupon(coupon_id=draft.coupon_id + 1).coupon_id)
        assert find_discarded(reconciler, wanted) == {draft.coupon_id}, "what is there is not gone"
        as_owner(database, "ALTER TABLE discarded_coupon RENAME TO another")
        try:
            assert find_discarded(reconciler, wanted) == set()
        finally:
            as_owner(database, "ALTER TABLE another RENAME TO discarded_coupon")


def test_nothing_is_read_from_beginning_to_end_to_find_what_refers_to_a_draft(
    database: Database,
) -> None:
    """Of the tables that grow with users: a large ledger would take longer than a call may."""
    wanted = {
        "standby_entry_of_coupon": "standby_entry WHERE coupon_id = 1",
        "coupon_code_of_kind": "coupon_code WHERE coupon_id = 1 AND kind = 'pool'",
    }
    with psycopg.connect(database.url("coupon_owner")) as owner:
        owner.execute("SET enable_seqscan = off")
        for index, rows in wanted.items():
            plan = owner.execute(f"EXPLAIN SELECT FROM {rows}".encode()).fetchall()
            assert index in str(plan)
