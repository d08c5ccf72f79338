"""A command on a terminal of a given size."""

import fcntl
import os
import pty
import signal
import struct
import subprocess
import termios
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import Thread

from coupons.waiting import eventually

_DEADLINE_S = 30.0
_SHOWN = 4_000


class Terminal:
    """A process whose input and output are a terminal. screen: all that it wrote so far."""

    def __init__(
        self, command: Sequence[str], size: tuple[int, int], environment: Mapping[str, str]
    ) -> None:
        columns, rows = size
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.process = subprocess.Popen(
            command,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={**os.environ, "TERM": "xterm-256color", **environment},
            start_new_session=True,
            preexec_fn=take_interrupts,
        )
        os.close(theirs)
        self._written = b""
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def screen(self) -> str:
        return self._written.decode("utf-8", "replace")

    def until_it_shows(self, text: str) -> None:
        """Wait until it has written this."""
        try:
            eventually(lambda: text in self.screen, _DEADLINE_S)
        except AssertionError:
            raise AssertionError(f"{text!r} is not shown: {self.screen[-_SHOWN:]}") from None

    def end(self, how: signal.Signals) -> int:
        """Send the signal and return the exit code."""
        self.process.send_signal(how)
        code = self.process.wait(_DEADLINE_S)
        self._reader.join(_DEADLINE_S)
        return code

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(_DEADLINE_S)
        self._reader.join(_DEADLINE_S)
        os.close(self._ours)

    def _read(self) -> None:
        while True:
            try:
                written = os.read(self._ours, 65_536)
            except OSError:  # the process has ended
                return
            if not written:
                return
            self._written += written


def take_interrupts() -> None:
    """A run of the tests in the background ignores SIGINT, and so would its processes."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextmanager
def on_a_terminal(
    command: Sequence[str], size: tuple[int, int], environment: Mapping[str, str]
) -> Iterator[Terminal]:
    """The running command; it is stopped at the end of the block."""
    terminal = Terminal(command, size, environment)
    try:
        yield terminal
    finally:
        terminal.close()
