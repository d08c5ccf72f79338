"""The user's cache folder: jars and unpacked servers, checked by SHA-256 on every use."""

import fcntl
import hashlib
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from stack.artifacts import Artifact, bundle_artifacts, bundle_key, this_platform
from stack.errors import StackError
from stack.maven import OnBytes, fetch, system_authorities
from stack.unpack import unpack, unpacked_intact

_PARALLEL_DOWNLOADS = 8
OnProgress = Callable[[int, int], None]
"""Called with the bytes received so far and the total."""


def cache_folder() -> Path:
    """COUPON_CACHE_DIR, or `coupon-cdc` in the user's cache folder (XDG_CACHE_HOME)."""
    if named := os.environ.get("COUPON_CACHE_DIR"):
        return Path(named).absolute()
    parent = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(parent).absolute() / "coupon-cdc"


def ensure_bundles(on_progress: OnProgress) -> dict[str, Path]:
    """Download the files of this machine's servers that are missing or damaged.

    Several files are downloaded at a time. When all files are intact, nothing uses the network.
    Returns the folders of `kafka`, `plugins`, `registry` and `postgres`.
    Raises StackError when something cannot be downloaded or does not have its SHA-256.
    """
    cache = cache_folder()
    with _locked(cache):
        missing = [
            (artifact, folder)
            for name, folder in bundle_folders().items()
            for artifact in _damaged(bundle_artifacts(_bundle(name)), folder)
        ]
        if missing:
            _install(missing, cache, on_progress)
    return bundle_folders()


def bundle_folders() -> dict[str, Path]:
    """The folders of this machine's servers in the cache, whether they exist or not."""
    cache = cache_folder()
    return {
        name: cache / f"{_bundle(name)}-{bundle_key(bundle_artifacts(_bundle(name)))}"
        for name in ("kafka", "plugins", "registry", "postgres")
    }


def _bundle(name: str) -> str:
    return f"postgres-{this_platform()}" if name == "postgres" else name


@contextmanager
def _locked(cache: Path) -> Iterator[None]:
    """Two stacks that start at the same time download once."""
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _damaged(artifacts: Sequence[Artifact], folder: Path) -> list[Artifact]:
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        intact = pool.map(lambda artifact: _intact(artifact, folder), artifacts)
        return [artifact for artifact, good in zip(artifacts, intact, strict=True) if not good]


def _intact(artifact: Artifact, folder: Path) -> bool:
    if not _is_plain_jar(artifact):
        return unpacked_intact(folder)
    path = folder / "jars" / artifact.filename
    return path.exists() and sha256_of(path) == artifact.sha256


def sha256_of(path: Path) -> str:
    """Lower-case hex SHA-256 of a file's content."""
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _is_plain_jar(artifact: Artifact) -> bool:
    return artifact.bundle in ("kafka", "plugins")


def _install(
    missing: Sequence[tuple[Artifact, Path]], cache: Path, on_progress: OnProgress
) -> None:
    count = _counter(sum(artifact.size for artifact, _ in missing), on_progress)
    # Java ignores its archives of a jar that was replaced.
    shutil.rmtree(cache / "java", ignore_errors=True)
    # The largest first, so that the last download is a small one.
    ordered = sorted(missing, key=lambda each: -each[0].size)
    with (
        tempfile.TemporaryDirectory(dir=cache, prefix="download-") as name,
        system_authorities(Path(name)),
        ThreadPoolExecutor(_PARALLEL_DOWNLOADS) as pool,
    ):
        jobs = [pool.submit(_install_one, *each, Path(name), count) for each in ordered]
        try:
            for job in jobs:
                job.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _counter(total: int, on_progress: OnProgress) -> OnBytes:
    done = 0
    lock = threading.Lock()

    def count(arrived: int) -> None:
        nonlocal done
        with lock:
            done += arrived
            on_progress(done, total)

    return count


def _install_one(artifact: Artifact, folder: Path, download: Path, count: OnBytes) -> None:
    """A file gets its final name only when it is complete and checked."""
    own = download / f"{artifact.bundle}-{artifact.sha256}"
    path = fetch(artifact, own, count)
    found = sha256_of(path)
    if found != artifact.sha256:
        raise StackError(
            f"{artifact.filename} was downloaded but is not the expected file: its SHA-256 is "
            f"{found}, the list says {artifact.sha256}. Nothing was started; try again, and if it "
            "stays so, something between here and the repository changes files"
        )
    if _is_plain_jar(artifact):
        target = folder / "jars" / artifact.filename
        target.parent.mkdir(parents=True, exist_ok=True)
        path.replace(target)
        return
    fresh = own / "unpacked"
    unpack(path, fresh)
    shutil.rmtree(folder, ignore_errors=True)
    fresh.replace(folder)
