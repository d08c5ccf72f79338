"""A second consumer in the consumer group of the stack, and the rebalances that it causes."""

import os
import signal
import subprocess
import sys
from threading import Thread

from chaos.faults.fault import Fault
from chaos.target import Target
from coupons.waiting import eventually
from stack.ports import free_ports
from stack.probes import http_ok

JOINS_WITHIN_SECONDS = 60.0
LEAVES_WITHIN_SECONDS = 30.0


def rebalance_fault(target: Target) -> Fault:
    """The group is rebalanced twice."""
    second = SecondConsumer(target)
    sentence = "a second consumer joins the group, and leaves it again"
    return Fault("rebalance", sentence, second.join, second.leave)


def fencing_fault(target: Target) -> Fault:
    """Kafka fences consumer-1 for one that is gone soon."""
    second = SecondConsumer(target, "consumer-1")

    def take_the_name() -> None:
        second.join()
        second.await_partitions()
        second.kill()

    sentence = "another consumer joins under the name of consumer-1, and is killed"
    return Fault("consumer-1 fenced", sentence, take_the_name, lasting=False)


class SecondConsumer:
    """A member of the group beside consumer-1: a dynamic one, or one under a name."""

    def __init__(self, target: Target, name: str | None = None) -> None:
        self._target = target
        self._name = {} if name is None else {"COUPON_CONSUMER_INSTANCE_ID": name}
        self._joined: list[subprocess.Popen[bytes]] = []
        self._port = 0

    def join(self) -> None:
        """Start it, without waiting until it is a member."""
        self._port = free_ports(["consumer"])["consumer"]
        environment = {
            **os.environ,
            **self._target.where,
            "COUPON_DATABASE_URL": self._target.stack.database_url("consumer"),
            "COUPON_CONSUMER_PORT": str(self._port),
            "COUPON_CONSUMER_SESSION_SECONDS": str(self._target.session_s),
            **self._name,
        }
        log = self._target.folder.part("consumer-joined").log.open("ab")
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

    def resume(self) -> None:
        """SIGCONT."""
        for process in self._joined:
            process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it with SIGKILL."""
        while self._joined:
            process = self._joined.pop()
            process.kill()
            process.wait()

    def leave(self) -> None:
        """End it with SIGTERM, without waiting: beside another fault it may take long."""
        while self._joined:
            self._joined[-1].terminate()
            Thread(target=_await_end, args=(self._joined.pop(),), daemon=True).start()


def _await_end(process: "subprocess.Popen[bytes]") -> None:
    try:
        process.wait(LEAVES_WITHIN_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
