"""Workers that are told to stop before they have run a line of their own."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
FORKS = 200
STOP_EACH_AS_IT_STARTS = f"""
import multiprocessing, signal, time
from api.stopping import let_signals_end_forked_workers

let_signals_end_forked_workers()
for each in (signal.SIGTERM, signal.SIGINT):
    signal.signal(each, lambda *_: None)
fork = multiprocessing.get_context("fork")
for _ in range({FORKS}):
    worker = fork.Process(target=time.sleep, args=[60], daemon=True)
    worker.start()
    worker.terminate()
    worker.join(20)
    assert worker.exitcode == -signal.SIGTERM, worker
"""


def test_a_worker_that_is_stopped_as_it_starts_does_not_start() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", STOP_EACH_AS_IT_STARTS],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        timeout=200,
    )
    assert ended.returncode == 0, ended.stderr
