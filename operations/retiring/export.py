"""Writes a coupon of the ledger into files, and proves that they hold what the ledger holds."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from coupons.errors import CouponError
from coupons.ledger.connection import Connection, translated
from coupons.ledger.coupon_pages import read_coupon
from coupons.ledger.retired import RetiredCounts, count_retiring, stay, stream_rows
from coupons.queries import query
from operations.retiring.folder_lock import locked
from operations.retiring.manifest import (
    ExportDamaged,
    Manifest,
    file_name,
    read_manifest,
    sha256_of,
    sync_folder,
    write_manifest,
)
from operations.retiring.parquet import SCHEMAS, page_of, read_pages, write_pages

Progress = Callable[[str, int], None]
"""Called with what is done, and how many rows of it since the last call."""


class ExportDiffers(CouponError):
    """Files are there already, and are not what the ledger holds."""


class StillActive(CouponError):
    """Users can still use what was issued to them."""


class Export(NamedTuple):
    """folder: of this coupon; is_new: it was not there before.

    Its files were read back, and compared row by row.
    """

    folder: Path
    is_new: bool
    counts: RetiredCounts
    files: dict[str, dict[str, Any]]


def export_coupon(
    connection: Connection,
    coupon_id: int,
    into: Path,
    also_active: bool,
    progress: Progress = lambda *_: None,
) -> Export:
    """Write the folder of a coupon in `into`, or find it there from a retirement that was cut off.

    Raises StillActive, ExportDiffers, ExportDamaged, FolderBusy, OSError, or LedgerUnavailable. The
    folder has its name only when it is complete, and on the disk.
    """
    target = into / f"coupon-{coupon_id}"
    partial = into / f"coupon-{coupon_id}.partial"
    with locked(into), translated(connection), connection.transaction():
        connection.execute(query("read_one_moment"))
        counts = count_retiring(connection, coupon_id)
        if not also_active:
            refuse_active(coupon_id, counts)
        if target.exists():
            found = _find(connection, coupon_id, target, progress)
            return Export(target, False, counts, found.files)
        shutil.rmtree(partial, ignore_errors=True)
        try:
            manifest = _write(connection, coupon_id, partial, counts, progress)
            _prove(connection, coupon_id, partial, manifest, progress)
            partial.rename(target)
            sync_folder(into)
        except BaseException:
            for folder in (partial, target):
                shutil.rmtree(folder, ignore_errors=True)
            raise
    return Export(target, True, counts, manifest.files)


def refuse_active(coupon_id: int, counts: RetiredCounts) -> None:
    """Raises StillActive."""
    if counts.active:
        raise StillActive(
            f"coupon {coupon_id}: {counts.active:,} issued coupons are still active, and their"
            " users would lose them. Nothing was dropped. --also-active retires it all the same"
        )


def _find(connection: Connection, coupon_id: int, target: Path, progress: Progress) -> Manifest:
    try:
        manifest = read_manifest(target, lambda: stay(connection))
        if manifest.coupon_id != coupon_id:
            raise ExportDamaged(f"it is of coupon {manifest.coupon_id}")
        _prove(connection, coupon_id, target, manifest, progress)
    except ExportDamaged as error:
        raise ExportDiffers(
            f"{target} is there already, and is not what Postgres holds ({error}). Nothing was"
            " dropped. Move it away, then repeat this"
        ) from error
    return manifest


def _write(
    connection: Connection,
    coupon_id: int,
    folder: Path,
    counts: RetiredCounts,
    progress: Progress,
) -> Manifest:
    folder.mkdir()
    files = {}
    for kind in SCHEMAS:
        name = file_name(kind, 1)
        pages = _pages(connection, coupon_id, kind, progress)
        rows = write_pages(folder / name, kind, pages)
        files[name] = {"rows": rows, "sha256": _digest(connection, folder / name)}
    coupon = read_coupon(connection, coupon_id)
    manifest = Manifest(
        coupon_id,
        datetime.now(UTC).isoformat(),
        {} if coupon is None else _plain(asdict(coupon)),
        counts._asdict(),
        1,
        files,
        {},
    )
    write_manifest(folder, manifest)
    return manifest


def _prove(
    connection: Connection,
    coupon_id: int,
    folder: Path,
    manifest: Manifest,
    progress: Progress,
) -> None:
    """Raises ExportDamaged unless the files hold each row of the ledger, and no other."""
    for kind in SCHEMAS:
        path = folder / manifest.file_of(kind)
        pages = _pages(connection, coupon_id, kind, lambda _, rows: progress("proved", rows))
        for written, held in zip_longest(read_pages(path), pages):
            if written is None or held is None or not written.equals(held):
                raise ExportDamaged(f"{path} read back is not what Postgres holds")


def _digest(connection: Connection, path: Path) -> str:
    return sha256_of(path, lambda: stay(connection))


def _pages(
    connection: Connection, coupon_id: int, kind: str, progress: Progress
) -> Iterator[pa.Table]:
    for rows in stream_rows(connection, f"export_{kind}", coupon_id):
        yield page_of(kind, rows)
        progress("exported", len(rows))


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    """As JSON has it: times as text; terms beside the rest."""
    values |= dict(
        zip(
            ("valid_for_days", "valid_until", "discount", "metadata"),
            values.pop("terms") or (),
            strict=False,
        )
    )
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in values.items()
    }
