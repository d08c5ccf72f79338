"""Unpacks server archives, and checks later that the unpacked files are unchanged."""

import hashlib
import json
import os
import tarfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

_CONTENTS = "contents.json"


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a `.tar.gz`, or a `.jar` around a `.txz`, into `folder`, with a list of contents."""
    folder.mkdir(parents=True)
    if archive.suffix == ".jar":
        with zipfile.ZipFile(archive) as jar:
            inner = next(name for name in jar.namelist() if name.endswith(".txz"))
            with jar.open(inner) as packed, tarfile.open(fileobj=packed, mode="r|xz") as tar:
                _extract(tar, folder)
    else:
        with tarfile.open(archive) as tar:
            _extract(tar, folder)
    (folder / _CONTENTS).write_text(json.dumps(_digests(folder)))


def _extract(tar: tarfile.TarFile, folder: Path) -> None:
    # Python has this safeguard since 3.11.4; the SHA-256 of the archives is checked in any case.
    tar.extraction_filter = getattr(tarfile, "data_filter", None)
    tar.extractall(folder)  # noqa: S202


def unpacked_intact(folder: Path) -> bool:
    """Whether `folder` holds exactly the files that `unpack` put there."""
    try:
        expected = json.loads((folder / _CONTENTS).read_text("utf-8"))
    except (OSError, ValueError):
        return False
    return bool(expected == _digests(folder))


def _digests(folder: Path) -> dict[str, str]:
    files = sorted(
        Path(parent, name)
        for parent, _, names in os.walk(folder)
        for name in names
        if name != _CONTENTS
    )

    def digest(path: Path) -> str:
        return hashlib.sha256(path.read_bytes()).hexdigest()

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        digests = pool.map(digest, files)
        return {
            str(path.relative_to(folder)): each for path, each in zip(files, digests, strict=True)
        }
