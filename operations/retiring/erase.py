"""Takes users who were erased from the ledger out of the files of retired coupons."""

import re
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from coupons.ids import FIRST_ERASED_ID
from operations.retiring.folder_lock import locked
from operations.retiring.manifest import (
    Manifest,
    Stay,
    file_name,
    read_noted,
    sha256_of,
    sync_folder,
    write_manifest,
)
from operations.retiring.parquet import SCHEMAS, pages_with, read_pages, write_pages

_NOBODY = "erased user"


def erase_from(
    folder: Path, coupon_id: int, noted: Mapping[str, Any], user_id: int, stay: Stay
) -> tuple[Manifest, bool]:
    """What the folder holds without the user; and whether its files named them.

    noted: the files that Postgres has noted. New files beside the old ones; the manifest, which is
    replaced in one step, then names the new. Cut off anywhere, the folder is one or the other.
    Raises ExportDamaged, FolderBusy, OSError, or LedgerUnavailable when the session is gone.
    """
    with locked(folder.parent):
        manifest = read_noted(folder, coupon_id, noted, stay)
        _remove_strays(folder, manifest, stay)
        paths = {kind: folder / manifest.file_of(kind) for kind in SCHEMAS}
        user = _User(user_id, _first_uses(paths["changes"], user_id, stay), stay)
        if not any(user.is_in(path) for path in paths.values()):
            return manifest, False
        try:
            after = _rewrite(folder, manifest, noted, user, stay)
        except OSError:
            _remove_strays(folder, manifest, stay)
            raise
        _remove_strays(folder, after, stay)
    return after, True


def _rewrite(
    folder: Path, manifest: Manifest, noted: Mapping[str, Any], user: "_User", stay: Stay
) -> Manifest:
    files = {}
    generation = manifest.generation + 1
    for kind in SCHEMAS:
        name = file_name(kind, generation)
        pages = user.erased(kind, folder / manifest.file_of(kind))
        rows = write_pages(folder / name, kind, pages)
        files[name] = {"rows": rows, "sha256": sha256_of(folder / name, stay)}
    after = manifest._replace(generation=generation, files=files, instead_of=dict(noted))
    stay()
    write_manifest(folder, after)
    return after


def _remove_strays(folder: Path, manifest: Manifest, stay: Stay) -> None:
    """Files that the manifest does not name: of a rewriting that was cut off, or replaced."""
    for path in folder.glob("*.parquet"):
        if path.name not in manifest.files:
            stay()
            path.unlink()
    sync_folder(folder)


def _pages(path: Path, stay: Stay) -> Iterator[pa.Table]:
    for page in read_pages(path):
        stay()
        yield page


def _first_uses(path: Path, user_id: int, stay: Stay) -> dict[str, int]:
    """By order, the number of the user's first change that names it."""
    first: dict[str, int] = {}
    for page in _pages(path, stay):
        for row in page.filter(pc.equal(page["user_id"], user_id)).to_pylist():
            if row["order_reference"] is not None:
                first.setdefault(row["order_reference"], row["change_number"])
    return first


class _User:
    """A user to erase, and the id instead of theirs. first_uses: as _first_uses."""

    def __init__(self, user_id: int, first_uses: dict[str, int], stay: Stay) -> None:
        self._user_id = user_id
        self._stay = stay
        self._first_uses = first_uses
        self._new_id = FIRST_ERASED_ID + secrets.randbelow(2**40)
        name = f"user {user_id}"
        self._names = (name, f"{name} (coupon:redeem)")
        self._in_text = re.compile(rf"\b{name}\b")

    def is_in(self, path: Path) -> bool:
        """Whether a row is the user's, or names them."""
        return pages_with(path, self._user_id, self._stay) or any(
            self._is_named(row) for page in _pages(path, self._stay) for row in _texts(page)
        )

    def erased(self, kind: str, path: Path) -> Iterator[pa.Table]:
        """The pages of a file without the user."""
        for page in _pages(path, self._stay):
            rows = [self._erased_row(row) for row in page.to_pylist()]
            yield pa.Table.from_pylist(rows, schema=SCHEMAS[kind])

    def _is_named(self, row: dict[str, Any]) -> bool:
        return row["changed_by"] in self._names or bool(self._in_text.search(row["reason"] or ""))

    def _erased_row(self, row: dict[str, Any]) -> dict[str, Any]:
        """As replace_user and erase_user_from_trails do it in the ledger."""
        is_own = row["user_id"] == self._user_id
        if is_own:
            row["user_id"] = self._new_id
        if "changed_by" not in row:
            return row
        if row["changed_by"] in self._names:
            row["changed_by"] = _NOBODY
        if is_own and row["order_reference"] is not None:
            row["order_reference"] = f"erased {self._first_uses[row['order_reference']]}"
        if row["reason"] is not None:
            replaced = self._in_text.sub(_NOBODY, row["reason"])[:500]
            row["reason"] = "erased" if is_own else replaced
        return row


def _texts(page: pa.Table) -> list[dict[str, Any]]:
    if "changed_by" not in page.column_names:
        return []
    rows: list[dict[str, Any]] = page.select(["changed_by", "reason"]).to_pylist()
    return rows
