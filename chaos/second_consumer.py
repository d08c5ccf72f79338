"""Another consumer in the group of the stack's own."""

import os
import signal
import subprocess
import sys
from threading import Thread

from chaos.site import Site
from coupons.waiting import eventually
from stack.ports import free_ports
from stack.probes import http_ok

JOINS_WITHIN_SECONDS = 60.0
LEAVES_WITHIN_SECONDS = 30.0


class SecondConsumer:
    """A dynamic member of the group beside consumer-1."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._joined: list[subprocess.Popen[bytes]] = []
        self._port = 0

    def join(self) -> None:
        """Start it; it need not be a member yet."""
        self._port = free_ports(["consumer"])["consumer"]
        environment = {
            **os.environ,
            **self._site.where,
            "COUPON_DATABASE_URL": self._site.stack.database_url("consumer"),
            "COUPON_CONSUMER_PORT": str(self._port),
            "COUPON_CONSUMER_SESSION_SECONDS": str(self._site.session_s),
        }
        log = self._site.folder.part("consumer-joined").log.open("ab")
        args = [sys.executable, "-m", "cdc_consumer"]
        self._joined.append(subprocess.Popen(args, env=environment, stdout=log, stderr=log))
        log.close()

    def await_partitions(self) -> None:
        """Return when it is a member."""
        eventually(lambda: http_ok(self._port, "/healthz"), JOINS_WITHIN_SECONDS, "it has joined")

    def stop(self) -> None:
        """SIGSTOP."""
        for process in self._joined:
            process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """SIGCONT."""
        for process in self._joined:
            process.send_signal(signal.SIGCONT)

    def leave(self) -> None:
        """End it in order."""
        while self._joined:
            self._joined[-1].terminate()
            # Beside another fault it may take long; nobody waits for it.
            Thread(target=_see_off, args=(self._joined.pop(),), daemon=True).start()


def _see_off(process: "subprocess.Popen[bytes]") -> None:
    try:
        process.wait(LEAVES_WITHIN_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
