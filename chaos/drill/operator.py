"""An operator of a stack: types commands in a shell, and reads what doctor finds."""

import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

from coupons.endpoints import ENDPOINTS
from coupons.waiting import attempts
from operations.doctor.findings import Section
from stack.disposable import DisposableStack

ROOT = Path(__file__).parents[2]
SHELL = "/bin/bash"
COMMAND_SECONDS = 240
TYPED_AGAIN_AFTER_SECONDS = 20.0
"""On a busy machine doctor itself takes some seconds to see what a command has repaired."""
PAUSE_SECONDS = 1.0
UNWELL = ("failing", "unknown")


class Operator:
    """typed: the commands, in order."""

    def __init__(self, stack: DisposableStack) -> None:
        self._folder = str(stack.folder.path)
        self.typed: list[str] = []

    def type(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run a line in a shell, where `coupon` is on the PATH and speaks of this stack.

        Before a line with an address, such as $COUPON_REDIS_URL, the addresses are exported.
        """
        if "$COUPON_" in command:
            command = f'eval "$(coupon env)"; {command}'
        env = {name: value for name, value in os.environ.items() if name not in ENDPOINTS}
        env |= {
            "COUPON_STATE_DIR": self._folder,
            "PATH": f"{ROOT / '.venv' / 'bin'}:{os.environ['PATH']}",
        }
        return subprocess.run(
            [SHELL, "-c", command],
            env=env,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )

    def findings(self) -> list[dict[str, Any]]:
        """What doctor finds, the root cause first."""
        done = self.type("coupon doctor --json")
        assert done.stdout, done.stderr
        found: list[dict[str, Any]] = json.loads(done.stdout)["findings"]
        return found

    def is_all_ok(self) -> bool:
        """Whether there is not even a warning."""
        return all(each["level"] == "ok" for each in self.findings())

    def ill(self) -> list[dict[str, Any]]:
        """Of those, what is not well."""
        return [each for each in self.findings() if each["level"] in UNWELL]

    def is_well(self) -> bool:
        """Whether nothing is failing or unknown, and no dead letter is open."""
        findings = self.findings()
        ill = [
            each
            for each in findings
            if each["level"] in UNWELL or each["section"] == Section.DEAD_LETTERS
        ]
        assert not ill, ill
        return True

    def open_dead_letters(self) -> list[str]:
        """The positions of those that nobody has handled."""
        done = self.type("coupon dead-letters list --json")
        assert done.returncode == 0, done.stderr
        return [str(each["letter"]) for each in json.loads(done.stdout)]

    def follow(self, within_s: float = 150.0) -> list[str]:
        """Type what the first finding says, again and again, until nothing is found.

        A command that was just typed is not typed again at once: what it repaired may take a while.
        """
        self.typed.clear()
        seen: list[str] = []
        deadline = time.monotonic() + within_s
        typed_at: dict[str, float] = {}
        while found := self.ill():
            seen.append(f"{found[0]['check']}: {found[0]['says']}")
            assert time.monotonic() < deadline, (self.typed, seen)
            command = found[0]["command"]
            again_s = typed_at.get(command, 0.0) + TYPED_AGAIN_AFTER_SECONDS - time.monotonic()
            if again_s > 0:
                self._await_other_advice(command, again_s)
                continue
            done = self.type(command)
            seen.append(f"$ {command}: {done.returncode} {done.stdout[-300:]} {done.stderr[-300:]}")
            typed_at[command] = time.monotonic()
            self.typed.append(command)
        return self.typed

    def _await_other_advice(self, command: str, within_s: float) -> None:
        """Until doctor says something else first, or nothing, or the time has passed."""
        for _ in attempts(within_s, PAUSE_SECONDS):
            found = self.ill()
            if not found or found[0]["command"] != command:
                return
