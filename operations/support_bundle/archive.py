"""Gathers the contents of a support bundle in parallel, and writes the archive."""

import io
import json
import os
import tarfile
import time
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread
from typing import Any, NamedTuple

from coupons.endpoints import Endpoints
from operations.support_bundle.contents import Entries, entries, process_settings
from operations.support_bundle.redaction import Redactor
from operations.support_bundle.secrets import known_secrets
from stack.endpoints import folder_of

DEADLINE_SECONDS = 30.0
_PRIVATE = 0o600

HOLDS = (
    "versions, settings, states of all parts, and the last log lines. Passwords, keys and tokens"
    " are hidden. Ids of users, coupons and requests, addresses of servers and paths of this"
    " machine are not: whoever looks for the fault needs them. Read it before you send it."
)


class Bundle(NamedTuple):
    """files: text by name. missing: why something is not among them, by name."""

    files: dict[str, str]
    missing: dict[str, str]


def gather(where: Endpoints, deadline_s: float = DEADLINE_SECONDS) -> Bundle:
    """Everything that can be read until the deadline, without secrets.

    Raises SettingError where there is no stack in the folder, and nothing else.
    """
    folder = folder_of(where)
    environments = dict(process_settings(where))
    settings = {name: _ours(each) for name, each in environments.items()}
    sources = entries(where, settings)
    secrets = folder.path / "secrets" if folder is not None else None
    redactor = Redactor(known_secrets(environments.values(), secrets))
    read = _read_all(sources, deadline_s)
    files = {name: _as_text(each, redactor) for name, each in read.items() if not _is_error(each)}
    missing = {name: redactor.text(_why(each)) for name, each in read.items() if _is_error(each)}
    return Bundle({"README.txt": _readme(files, missing), **files}, missing)


def write_archive(bundle: Bundle, path: Path) -> None:
    """A tar.gz that only its owner can read. Raises OSError, and FileExistsError for a file."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE)
    try:
        with os.fdopen(descriptor, "wb") as file, tarfile.open(fileobj=file, mode="w:gz") as tar:
            for name, text in bundle.files.items():
                content = text.encode("utf-8", "replace")
                entry = tarfile.TarInfo(f"coupon-support/{name}")
                entry.size, entry.mode, entry.mtime = len(content), _PRIVATE, int(time.time())
                tar.addfile(entry, io.BytesIO(content))
    except OSError as error:
        path.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(path)) from error
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _ours(environment: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.startswith("COUPON_")}


def _read_all(sources: Entries, deadline_s: float) -> dict[str, Any]:
    """The result of each, or its error. Daemons: one that hangs does not hold up the rest."""
    results: dict[str, Any] = {}

    def read(name: str) -> None:
        try:
            results[name] = sources[name]()
        except Exception as error:
            # Whatever fails, the rest is still of use.
            results[name] = error

    threads = [Thread(target=read, args=(name,), daemon=True) for name in sources]
    for thread in threads:
        thread.start()
    until = time.monotonic() + deadline_s
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    silent = TimeoutError(f"no answer within {deadline_s:g} s")
    return {name: results.get(name, silent) for name in sources}


def _is_error(value: Any) -> bool:
    return isinstance(value, Exception)


def _why(error: Exception) -> str:
    return " ".join(str(error).split())[:500] or type(error).__name__


def _as_text(value: Any, redactor: Redactor) -> str:
    if isinstance(value, str):
        return redactor.text(value)
    return json.dumps(redactor.value(value), indent=1, ensure_ascii=False, default=str) + "\n"


def _readme(files: dict[str, str], missing: dict[str, str]) -> str:
    lines = [
        f"Support bundle of Coupon CDC, {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC",
        f"It holds {HOLDS}",
        "",
        *(f"{name}: {len(text):,} characters" for name, text in files.items()),
        *(f"{name}: missing: {why}" for name, why in missing.items()),
    ]
    return "\n".join(lines) + "\n"
