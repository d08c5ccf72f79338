"""A stack that is removed after use, for benchmarks and tests; runs the `coupon` command."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil

from coupons.tokens import mint_token
from coupons.waiting import attempts
from stack.errors import StackError
from stack.folder import StateFolder
from stack.interrupts import interrupted_once
from stack.lifecycle import take_down
from stack.options import remembered

TOKEN_SECONDS = 24 * 3600
KILL_SECONDS = 20
LOCKED_SECONDS = 120.0
"""A command that starts the stack, typed in another terminal, may take so long."""


class DisposableStack:
    """A stack in a state folder.

    source: the folder of the source that its processes run from from now on; None: this one.
    """

    def __init__(self, path: Path) -> None:
        self.folder = StateFolder(path)
        self.environment: dict[str, str] = {}
        self.source: Path | None = None
        self._database_urls: dict[str, str] = {}

    def adopt(self) -> None:
        """Use the stack that is running."""
        self.environment = self._coupon("env")

    def up(self, settings: Mapping[str, str] | None = None, *options: str) -> None:
        """Start what is down; the first time on free ports.

        settings: COUPON_* variables of the processes started now. options: of `coupon up`.
        """
        ports = [] if self.environment else ["--ports", "auto"]
        started = self._coupon("up", *ports, *options, **(settings or {}))
        self.environment = started["env"]

    def stop(self, *parts: str) -> None:
        """Stop these parts in order."""
        take_down(self.folder, parts, lambda *_: None)

    def restart(self, part: str, settings: Mapping[str, str] | None = None) -> None:
        """Stop a part and start it with other settings."""
        self.stop(part)
        self.up(settings)

    def pid(self, part: str) -> int:
        """The process id of a part, as it was last started."""
        run = self.folder.part(part).last_run()
        assert run is not None
        return run.pid

    def kill(self, part: str) -> None:
        """Kill a part and its children, as a crash would, and wait until they have ended."""
        run = self.folder.part(part).last_run()
        assert run is not None
        family = run.family()
        for process in family:
            if process.pid != run.wrapper:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
        _, alive = psutil.wait_procs(family, timeout=KILL_SECONDS)
        if alive:
            raise RuntimeError(f"{part} does not end: {alive}")

    def database_url(self, role: str) -> str:
        """Postgres as one of the project's roles."""
        if role not in self._database_urls:
            found = self._coupon("env", "--role", role)["COUPON_DATABASE_URL"]
            self._database_urls[role] = str(found)
        return self._database_urls[role]

    def token(self, user_id: int, *scopes: str) -> str:
        """A bearer token of this stack."""
        return mint_token(self.folder.secret("jwt.key"), user_id, scopes, TOKEN_SECONDS)

    def log_tails(self, lines: int = 12) -> str:
        """The last lines of each part's log, for a failure report."""
        tails = []
        for name in self.folder.part_names():
            tails += [f"--- {name}", *self.folder.part(name).log_tail(lines)]
        return "\n".join(tails)

    def wipe(self) -> None:
        """Stop everything and remove its data, once no other command works on the stack."""
        if remembered(self.folder) is None:  # nothing was started
            return
        for _ in attempts(LOCKED_SECONDS):
            with suppress(StackError), self.folder.locked():
                break
        self._coupon("down", "--wipe", "--yes")

    def _coupon(self, command: str, *options: str, **settings: str) -> Any:
        args = [sys.executable, "-m", "cli", command, "--state", str(self.folder.path), *options]
        with subprocess.Popen(
            [*args, "--json"],
            cwd=self.source,
            env={**os.environ, **settings},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                answer, errors = process.communicate()
            except BaseException:
                process.terminate()  # it stops what it started; a kill would leave it running
                process.communicate()
                raise
        if process.returncode != 0:
            # With --json the error is on standard output.
            raise RuntimeError(f"coupon {command} failed:\n{errors}{answer}")
        return json.loads(answer)


@contextmanager
def disposable_stack(*options: str) -> Iterator[DisposableStack]:
    """A new stack on free ports, removed afterwards, also after Ctrl-C or SIGTERM.

    options: of `coupon up`. Only for the main thread.
    """
    with interrupted_once(), TemporaryDirectory(prefix="coupon-bench-") as path:
        stack = DisposableStack(Path(path) / "state")
        try:
            stack.up(None, *options)
            yield stack
        finally:
            stack.wipe()
