"""Goes through the files of retired coupons that may still name users who were erased."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from coupons.ledger.connection import Connection
from coupons.ledger.exports_to_erase import (
    ExportToErase,
    list_exports_to_erase,
    note_erased_export,
)
from coupons.ledger.retired import find_export, lock_retirement, stay
from operations.retiring.folder_lock import FolderBusy
from operations.retiring.manifest import ExportDamaged


class OpenExport(NamedTuple):
    """Files that may still name an erased user, and why they were not looked through."""

    coupon_id: int
    where: str
    why: str


class ErasedExports(NamedTuple):
    """searched: exports that were looked through. rewritten: those of them that named a user."""

    searched: int
    rewritten: int
    left: Sequence[OpenExport]


def erase_exports(
    connection: Connection, acted_by: str, user_id: int | None = None, moved_to: Path | None = None
) -> ErasedExports:
    """Take erased users, or one, out of the exports that are open.

    moved_to: where the folders of the exports are now; None: where they were written. Raises
    LedgerUnavailable. Repeating it is harmless.
    """
    todo = list_exports_to_erase(connection, user_id)
    if todo and not lock_retirement(connection):
        return ErasedExports(
            0, 0, [_open(each, moved_to, "another command works") for each in todo]
        )
    searched = rewritten = 0
    left = []
    for each in todo:
        try:
            rewritten += _erase(connection, each, moved_to, acted_by)
            searched += 1
        except (OSError, ImportError, ExportDamaged, FolderBusy) as error:
            left.append(_open(each, moved_to, str(error)))
    return ErasedExports(searched, rewritten, left)


def _erase(
    connection: Connection, each: ExportToErase, moved_to: Path | None, acted_by: str
) -> bool:
    """Whether the files named the user."""
    from operations.retiring.erase import erase_from  # pyarrow may not be installed

    export = find_export(connection, each.coupon_id)  # an earlier user may have changed its files
    if export is None:
        raise ExportDamaged("its retirement is not finished: repeat `coupon retire`")
    folder, noted = export
    after, was_there = erase_from(
        *(_folder(folder, moved_to), each.coupon_id, noted, each.user_id),
        stay=lambda: stay(connection),
    )
    note_erased_export(connection, each, after.files, acted_by)
    return was_there


def _open(each: ExportToErase, moved_to: Path | None, why: str) -> OpenExport:
    where = "" if each.folder is None else str(_folder(each.folder, moved_to))
    return OpenExport(each.coupon_id, where, why)


def _folder(folder: str, moved_to: Path | None) -> Path:
    return Path(folder) if moved_to is None else moved_to / Path(folder).name
