"""The manifest of an exported coupon: which files belong to it, with their digests.

A file counts only if the manifest names it. So the manifest, which is replaced in one step, decides
what an export is, also when files are written again.
"""

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from coupons.errors import CouponError

SCHEMA_VERSION = 1
_NAME = "manifest.json"
_BLOCK_BYTES = 1 << 20

Stay = Callable[[], object]
"""Called on the way, so that Postgres does not end the session; raises when it has ended."""


class ExportDamaged(CouponError):
    """The files of an export are not there, or are not those that were proved."""


class Manifest(NamedTuple):
    """coupon: its definition. files: by name, rows and sha256. generation: grows with rewriting.

    instead_of: the files that Postgres had noted when these were written; empty: none.
    """

    coupon_id: int
    exported_at: str
    coupon: dict[str, Any]
    counts: dict[str, Any]
    generation: int
    files: dict[str, dict[str, Any]]
    instead_of: dict[str, dict[str, Any]]

    def file_of(self, kind: str) -> str:
        """The name of the file of requests, changes or codes."""
        return file_name(kind, self.generation)


def file_name(kind: str, generation: int) -> str:
    """How a file is called."""
    return f"{kind}.{generation}.parquet"


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write or replace it in one step; on return it is on the disk."""
    document = {"schema_version": SCHEMA_VERSION, **manifest._asdict()}
    temporary = folder / f"{_NAME}.new"
    with temporary.open("w", encoding="utf-8") as file:
        json.dump(document, file, indent=2)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(folder / _NAME)
    sync_folder(folder)


def read_noted(
    folder: Path, coupon_id: int, noted: Mapping[str, Any], stay: Stay = lambda: None
) -> Manifest:
    """As read_manifest, of the export whose files Postgres has noted. Raises ExportDamaged.

    A rewriting that was cut off before Postgres noted it counts too.
    """
    manifest = read_manifest(folder, stay)
    if manifest.coupon_id != coupon_id or noted not in (manifest.files, manifest.instead_of):
        raise ExportDamaged(
            f"{folder} is not what Postgres has noted of coupon {coupon_id}: another export, or an"
            " old copy"
        )
    return manifest


def read_manifest(folder: Path, stay: Stay = lambda: None) -> Manifest:
    """The manifest, after its files were compared with their digests. Raises ExportDamaged."""
    path = folder / _NAME
    try:
        document = json.loads(path.read_text("utf-8"))
        version = document.pop("schema_version")
        if version != SCHEMA_VERSION:
            raise ExportDamaged(
                f"{path} has version {version}, and this program writes {SCHEMA_VERSION}"
            )
        manifest = Manifest(**document)
    except FileNotFoundError:
        raise ExportDamaged(f"there is no {path}: no export, or one that is not complete") from None
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ExportDamaged(f"{path} is no manifest of an export: {error}") from None
    for name, about in manifest.files.items():
        _check_file(folder / name, str(about["sha256"]), stay)
    return manifest


def _check_file(path: Path, sha256: str, stay: Stay) -> None:
    try:
        found = sha256_of(path, stay)
    except FileNotFoundError:
        raise ExportDamaged(f"{path} is missing, and the manifest names it") from None
    if found != sha256:
        raise ExportDamaged(f"{path} has another content than the manifest says (SHA-256)")


def sha256_of(path: Path, stay: Stay = lambda: None) -> str:
    """Of the bytes of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
            stay()
    return digest.hexdigest()


def sync_folder(folder: Path) -> None:
    """What was renamed in it is on the disk on return."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
