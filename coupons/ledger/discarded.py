"""Drafts that are discarded: nothing of them is left but their id, which is never used again."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple

from coupons.errors import CouponError, NotThere
from coupons.ledger.connection import Connection, int_array, translated
from coupons.queries import query


class NotADraft(CouponError):
    """The coupon was opened before, so that it cannot be discarded."""


class DraftChanged(CouponError):
    """Somebody else changed the coupon meanwhile: nothing was done."""


class DraftBusy(CouponError):
    """Codes or users of the draft are being uploaded: nothing was done."""


class Discarded(NamedTuple):
    """codes, listed_users: how many went with it."""

    coupon_id: int
    discarded_at: datetime
    codes: int
    listed_users: int


def discard_draft(
    connection: Connection,
    coupon_id: int,
    acted_by: str,
    seen_versions: Sequence[int] | None = None,
) -> Discarded:
    """Delete a draft with its codes, its list of users and its room, and commit.

    Again: the same. seen_versions: one of which it must still have; None: whichever it has.

    Raises NotThere, NotADraft, DraftChanged or DraftBusy; LedgerUnavailable when nothing was done,
    OutcomeUnknown when that is not known.
    """
    values = {"coupon_id": coupon_id, "seen_versions": seen_versions, "acted_by": acted_by}
    with translated(connection):
        row = connection.execute(query("discard_draft"), values).fetchone()
    assert row is not None
    outcome, state, *discarded = row
    match outcome:
        case "not_found":
            raise NotThere(f"there is no coupon {coupon_id}")
        case "not_draft":
            raise NotADraft(
                f"Coupon {coupon_id} is {state}: only a draft, which was never open, can be"
                " discarded. Close this one, and archive it."
            )
        case "changed":
            raise DraftChanged(f"Coupon {coupon_id} was changed meanwhile: nothing was done.")
        case "busy":
            raise DraftBusy(
                f"Codes or users of draft {coupon_id} are being uploaded: nothing was done. Try"
                " again when the upload has ended."
            )
    return Discarded(*discarded)


def find_discarded(connection: Connection, coupon_ids: Collection[int]) -> set[int]:
    """The coupons among these that were discarded. Raises LedgerUnavailable."""
    if not coupon_ids:
        return set()
    with translated(connection):
        there = connection.execute(query("has_discarded")).fetchone()
        if there is None or not there[0]:
            return set()
        rows = connection.execute(query("find_discarded"), {"coupon_ids": int_array(coupon_ids)})
        return {row[0] for row in rows}
