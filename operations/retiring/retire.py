"""Retires coupons, one after the other: begins, exports, proves, notes that, drops the rows.

Each step is committed, so that a retirement that is cut off anywhere is finished by repeating it.
Nothing is dropped before the files were read back and compared with the ledger.
"""

import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

from coupons.errors import CouponError, LedgerUnavailable, NotThere, OutcomeUnknown
from coupons.ledger.connection import Connection, translated
from coupons.ledger.retired import (
    Beginning,
    Retirable,
    RetiredCounts,
    abandon_retirement,
    begin_retirement,
    count_retiring,
    drop_page,
    find_export,
    find_retired,
    find_retiring,
    has_ended,
    list_retirable,
    lock_retirement,
    note_export,
    running_until,
    stay,
)
from coupons.waiting import attempts
from operations.retiring.export import Export, Progress, export_coupon, refuse_active
from operations.retiring.manifest import read_noted

ENDED_WITHIN_SECONDS = 60.0
_PAUSE_SECONDS = 0.1


class CannotRetire(CouponError):
    """The coupon cannot be retired now; nothing of it was dropped."""


class RetirementRuns(CouponError):
    """Another command retires coupons, or erases users from files."""


class Result(NamedTuple):
    """What came of one coupon. folder: of its files; None: it was passed over, see `why`."""

    coupon_id: int
    folder: Path | None
    counts: RetiredCounts | None
    why: str = ""


def retire_coupons(
    connection: Connection,
    chosen: list[Retirable],
    older: timedelta,
    into: Path,
    also_active: bool,
    acted_by: str,
    progress: Callable[[int], Progress] = lambda _: lambda *_: None,
) -> Iterator[Result]:
    """Retire these coupons; one that cannot be retired is passed over.

    Raises OSError, LedgerUnavailable or RetirementRuns: the others would fail as well.
    """
    if not lock_retirement(connection):
        raise RetirementRuns(
            "another `coupon retire` or `coupon erase` works on files: wait for it"
        )
    for each in chosen:
        rows = progress(each.coupon_id)
        try:
            yield retire(connection, each.coupon_id, older, into, also_active, acted_by, rows)
        except LedgerUnavailable:
            raise
        except CouponError as error:
            yield Result(each.coupon_id, None, None, str(error))


def choose(connection: Connection, older: timedelta, coupon_id: int | None) -> list[Retirable]:
    """The coupons that can be retired, or the one. Raises NotThere or CannotRetire."""
    found = list_retirable(connection, older, coupon_id)
    if coupon_id is not None and not found:
        if coupon_id in find_retired(connection, [coupon_id]):
            return []
        raise CannotRetire(
            f"coupon {coupon_id} is not archived, or not for {older.days} days, or does not exist,"
            " or is a rehearsal, which is purged"
        )
    return found


def retire(
    connection: Connection,
    coupon_id: int,
    older: timedelta,
    into: Path,
    also_active: bool,
    acted_by: str,
    progress: Progress,
) -> Result:
    """Retire one, or finish what was cut off.

    When it fails before the drop, all is as before, or it stays begun: see _note.
    """
    if not also_active and not find_retiring(connection, [coupon_id]):
        with translated(connection):
            refuse_active(coupon_id, count_retiring(connection, coupon_id))
    stands = begin_retirement(connection, coupon_id, older, acted_by)
    if stands is Beginning.NOT_FOUND:
        raise NotThere(f"there is no coupon {coupon_id}")
    if stands is Beginning.NOT_ARCHIVED:
        raise CannotRetire(f"coupon {coupon_id} is not archived")
    if stands is Beginning.TOO_YOUNG:
        raise CannotRetire(
            f"coupon {coupon_id} was archived less than {older.days} days ago, or less than a day"
        )
    if stands is Beginning.BEGUN:
        try:
            done = _export(connection, coupon_id, into, also_active, progress)
        except BaseException:
            _give_back(connection, coupon_id, acted_by)
            raise
        _note(connection, coupon_id, acted_by, done)
    folder = _check(connection, coupon_id)
    _drop(connection, coupon_id, acted_by, progress)
    return Result(coupon_id, folder, find_retired(connection, [coupon_id])[coupon_id].counts)


def _export(
    connection: Connection, coupon_id: int, into: Path, also_active: bool, progress: Progress
) -> Export:
    """Raises what export_coupon raises, and CannotRetire."""
    # Whoever began before it cannot know of it, and may still change something.
    number = running_until(connection)
    for _ in attempts(ENDED_WITHIN_SECONDS, _PAUSE_SECONDS):
        if has_ended(connection, number):
            break
    else:
        raise CannotRetire(
            f"coupon {coupon_id}: a transaction has been running for a minute, and may still change"
            " it. Nothing was dropped. `coupon doctor` names it; repeat this when it has ended"
        )
    return export_coupon(connection, coupon_id, into, also_active, progress)


def _note(connection: Connection, coupon_id: int, acted_by: str, done: Export) -> None:
    """Raises CannotRetire.

    A folder that is not noted would keep users who are erased later. So it goes, or the retirement
    stays begun: where the folder was there before, or where it may be noted.
    """
    folder = str(done.folder.absolute())
    try:
        said = note_export(connection, coupon_id, done.counts, folder, done.files)
        if said != "noted":
            raise CannotRetire(
                f"coupon {coupon_id}: its rows are not what its counts say ({said})."
                f" Nothing was dropped: see `coupon verify --coupon {coupon_id}`"
            )
    except OutcomeUnknown:
        raise
    except Exception:
        if done.is_new:
            shutil.rmtree(done.folder)
            _give_back(connection, coupon_id, acted_by)
        raise


def _give_back(connection: Connection, coupon_id: int, acted_by: str) -> None:
    with suppress(CouponError):  # then a repetition finds it begun
        abandon_retirement(connection, coupon_id, acted_by)


def _check(connection: Connection, coupon_id: int) -> Path:
    """The folder of a proved export, which is still there. Raises ExportDamaged."""
    found = find_export(connection, coupon_id)
    assert found is not None
    folder = Path(found[0])
    read_noted(folder, coupon_id, found[1], lambda: stay(connection))
    return folder


def _drop(connection: Connection, coupon_id: int, acted_by: str, progress: Progress) -> None:
    after_user_id = 0
    while not (page := drop_page(connection, coupon_id, after_user_id, acted_by)).is_done:
        after_user_id = page.last_user_id
        progress("dropped", page.requests)
