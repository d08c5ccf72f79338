"""Processes of a design: parts of the embedded stack, and processes started in addition."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Protocol

import psutil
import requests

from stack.disposable import DisposableStack

READY_WITHIN_SECONDS = 90.0
STOP_SECONDS = 20.0
_POLL_SECONDS = 0.1


class Part(Protocol):
    """One process of a design, with its children."""

    def pid(self) -> int:
        """The process id of the parent."""

    def kill(self) -> None:
        """Kill it and its children, as a crash would."""

    def start(self) -> None:
        """Start it again after `kill`, and return when it is ready."""


class StackPart:
    """A part of the embedded stack, by its name there."""

    def __init__(self, stack: DisposableStack, name: str) -> None:
        self._stack = stack
        self._name = name

    def pid(self) -> int:
        """The process id of its last start."""
        return self._stack.pid(self._name)

    def kill(self) -> None:
        """Kill the part and its children, and wait until they have ended."""
        self._stack.kill(self._name)

    def start(self) -> None:
        """Start it, and all other parts of the stack that are down."""
        self._stack.up()


class OwnProcess:
    """A Python module that runs in addition to the stack, with the stack's addresses.

    ready_url: returns 200 once the process is ready; None: it is ready as soon as it runs.
    """

    def __init__(
        self,
        stack: DisposableStack,
        module: Sequence[str],
        settings: Mapping[str, str],
        ready_url: str | None = None,
    ) -> None:
        self._command = [sys.executable, "-m", *module]
        self._environment = {
            **os.environ,
            **stack.environment,
            "COUPON_LOG_LEVEL": "ERROR",
            **settings,
        }
        self._ready_url = ready_url
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait. Raises requests.RequestException when it is not ready in time."""
        self.launch()
        self.await_ready()

    def launch(self) -> None:
        """Start it without waiting."""
        self._process = subprocess.Popen(self._command, env=self._environment)

    def await_ready(self) -> None:
        """Raises requests.RequestException when it takes too long, RuntimeError when it ended.

        A 200 alone is not enough: another process may have taken the port and answered.
        """
        assert self._process is not None
        deadline = time.monotonic() + READY_WITHIN_SECONDS
        while self._ready_url is not None:
            try:
                requests.get(self._ready_url, timeout=1).raise_for_status()
                break
            except requests.RequestException:
                if time.monotonic() > deadline:
                    raise
                if self._process.poll() is not None:
                    break
                time.sleep(_POLL_SECONDS)
        if self._process.poll() is not None:
            raise RuntimeError(f"{' '.join(self._command[2:])} ended: {self._process.returncode}")

    def pid(self) -> int:
        """Its process id. Raises AssertionError before it was started."""
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """Kill the process and its children, and wait until they have ended."""
        assert self._process is not None
        family = [
            psutil.Process(self.pid()),
            *psutil.Process(self.pid()).children(recursive=True),
        ]
        for each in family:
            with suppress(psutil.NoSuchProcess):
                each.kill()
        self._process.wait(STOP_SECONDS)
        psutil.wait_procs(family, timeout=STOP_SECONDS)

    def stop(self) -> None:
        """End it with SIGTERM."""
        if self._process is not None and self._process.poll() is None:
            self.resume()
            self._process.terminate()
            self._process.wait(STOP_SECONDS)

    def suspend(self) -> None:
        """Stop it with SIGSTOP, so that it uses no processor time."""
        os.kill(self.pid(), signal.SIGSTOP)

    def resume(self) -> None:
        """Continue it with SIGCONT."""
        os.kill(self.pid(), signal.SIGCONT)
