"""The server ends whatever its management process does."""

import subprocess
import sys

from api import server

STUBBORN = """
import signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("runs", flush=True)
while True:
    signal.pause()
"""


def test_a_management_process_that_does_not_stop_is_killed() -> None:
    command = [sys.executable, "-c", STUBBORN]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        server._end(process, 0.2)
        assert process.wait(20) == -9
