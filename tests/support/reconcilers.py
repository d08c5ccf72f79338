"""The reconciler as a process of its own."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stack.ports import free_ports
from tests.support.databases import Database

ROOT = Path(__file__).parents[2]


@contextmanager
def reconciler(database: Database, valkey_url: str) -> Iterator["subprocess.Popen[bytes]"]:
    """It works while the block runs, unless it is ended before."""
    port = free_ports(["reconciler"])["reconciler"]
    process = subprocess.Popen(
        [sys.executable, "-m", "reconciler"],
        cwd=ROOT,
        env={
            **os.environ,
            "COUPON_DATABASE_URL": database.url("coupon_reconciler"),
            "COUPON_REDIS_URL": valkey_url,
            "COUPON_RECONCILER_PORT": str(port),
            "COUPON_RECONCILER_TAKEOVER_SECONDS": "3",
            "COUPON_RECONCILER_INTERVAL_SECONDS": "0.2",
            "COUPON_RECONCILER_PENDING_AFTER_SECONDS": "1",
        },
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGCONT)
        process.kill()
        process.wait()
