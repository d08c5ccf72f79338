"""The state folder of one stack: everything that it writes or remembers between commands."""

import fcntl
import json
import os
import secrets
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from coupons.waiting import attempts
from stack.errors import SettingError, StackError
from stack.processes import Exit, Running, read_exit

_SECRET_BYTES = 32
_EXIT_RECORD_DEADLINE_S = 5.0
_POLL_S = 0.02
_MARKER = "coupon-state.txt"
_MARKER_TEXT = "Everything of one Coupon CDC stack. `coupon down --wipe` removes it.\n"


def _random() -> str:
    return secrets.token_urlsafe(_SECRET_BYTES)


def default_state() -> Path:
    """The state folder of a command where none is named."""
    root = Path(__file__).parents[1]
    project = root if (root / "pyproject.toml").exists() else Path.cwd()
    return project / ".coupon"


@dataclass(frozen=True)
class StateFolder:
    """Files of one stack, below `path` (absolute); nothing is made until `create`."""

    path: Path

    def exists(self) -> bool:
        return (self.path / _MARKER).exists()

    def create(self) -> None:
        """Create the folder, for its owner only and ignored by git.

        Raises SettingError for a folder that has something else in it.
        """
        if self.exists():
            return
        if self.path.exists() and (not self.path.is_dir() or any(self.path.iterdir())):
            raise SettingError(
                f"{self.path} is not empty and is not the state folder of a stack: "
                "name a new or empty folder with --state"
            )
        for each in (self.path, self.path / "log", self.path / "run", self.path / "secrets"):
            each.mkdir(mode=0o700, parents=True, exist_ok=True)
        (self.path / ".gitignore").write_text("*\n")
        (self.path / _MARKER).write_text(_MARKER_TEXT)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lock of the stack. Raises StackError while another command holds it."""
        with (self.path / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise StackError(
                    f"another coupon command is starting or stopping the stack in {self.path}: "
                    "wait until it has finished"
                ) from None
            yield

    def part(self, name: str) -> "PartFiles":
        return PartFiles(self.path, name)

    def started_part(self, name: str) -> "PartFiles":
        """The files of a part that was started here. Raises SettingError for another name."""
        names = self.part_names()
        if name not in names:
            known = f"there are {', '.join(names)}" if names else "no part was started"
            raise SettingError(f"no part called {name} was started in {self.path}: {known}")
        return self.part(name)

    def part_names(self) -> list[str]:
        """Every part that was started here at least once."""
        return sorted(each.stem for each in (self.path / "run").glob("*.json"))

    def secret(self, name: str) -> str:
        """A random password or key, created on first use and readable by the owner only.

        Whoever asks for it at the same time, in threads or processes, gets the same one.
        """
        return self.secret_file(name).read_text("ascii")

    def secret_file(self, name: str, make: Callable[[], str] = _random) -> Path:
        """The file of that secret. make: returns a new one, when it is another kind of secret."""
        path = self.path / "secrets" / name
        if not path.exists():
            fresh = _written_beside(path, make())
            # The first one stays: another thread or process may use it already.
            with fresh as file, suppress(FileExistsError):
                os.link(file, path)
        return path

    def remember(self, name: str, value: Any) -> None:
        """Keep a JSON value for later commands."""
        _write_private(self.path / f"{name}.json", json.dumps(value, indent=2) + "\n")

    def recall(self, name: str) -> Any:
        """A remembered value; None: there is none."""
        try:
            return json.loads((self.path / f"{name}.json").read_text("utf-8"))
        except FileNotFoundError:
            return None


@dataclass(frozen=True)
class PartFiles:
    """The log, the identity and the exit record of one part."""

    state: Path
    name: str

    @property
    def log(self) -> Path:
        return self.state / "log" / f"{self.name}.log"

    @property
    def exit_file(self) -> Path:
        return self.state / "run" / f"{self.name}.exit"

    @property
    def _record(self) -> Path:
        return self.state / "run" / f"{self.name}.json"

    def save(self, running: Running) -> None:
        _write_private(self._record, json.dumps(asdict(running)))

    def last_run(self) -> Running | None:
        """The identity of the last run, whether it is alive or not."""
        try:
            return Running(**json.loads(self._record.read_text("utf-8")))
        except FileNotFoundError:
            return None

    def last_exit(self) -> Exit:
        """How the last run ended; waits for a moment until its wrapper has written that down."""
        run = self.last_run()
        for _ in attempts(_EXIT_RECORD_DEADLINE_S, _POLL_S):
            if self.exit_file.exists():
                break
            if run is None or not any(each.pid == run.wrapper for each in run.family()):
                break
        return read_exit(self.exit_file, self.log)

    def log_tail(self, lines: int, offset: int = 0) -> list[str]:
        """The last lines of the log, none before byte `offset`."""
        if not self.log.exists():
            return []
        with self.log.open("rb") as log:
            end = log.seek(0, os.SEEK_END)
            log.seek(max(min(offset, end), end - 400 * lines))
            return log.read().decode("utf-8", "replace").splitlines()[-lines:]


def _write_private(path: Path, text: str) -> None:
    """Replace a file in one step, so that a reader never sees half of it."""
    with _written_beside(path, text) as fresh:
        fresh.replace(path)


@contextmanager
def _written_beside(path: Path, text: str) -> Iterator[Path]:
    """A file for its owner only, beside `path` and under a name that nobody else uses."""
    handle, name = tempfile.mkstemp(prefix=f"{path.name}.", suffix=".new", dir=path.parent)
    try:
        with os.fdopen(handle, "w") as file:
            file.write(text)
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)
