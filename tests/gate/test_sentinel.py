"""Behind Sentinel: a failover closes the gate, and a rebuild opens it on the new master."""

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import redis

from coupons.errors import RedisUnavailable
from coupons.gate import Gate, connect_gate, open_coupon
from coupons.model import Admission, Claim, GateState
from coupons.waiting import eventually
from stack.ports import HOST, free_ports
from stack.servers.valkey import valkey_server
from tests.support.gate import PROTOTYPE

FAILOVER_SECONDS = 60
SENTINELS = ("sentinel-1", "sentinel-2", "sentinel-3")
OFTEN = ("info-period", "100", "publish-period", "1000", "ask-period", "100")
"""Milliseconds: how often a sentinel asks servers and tells the others. Its own are seconds.

A sentinel that was not told for four publish-periods makes a replica again of the one that another
sentinel has just promoted. That one looks at it every second only, whatever its info-period is.
"""
CONFIGURATION = """
sentinel monitor coupon {host} {master} 2
sentinel down-after-milliseconds coupon 3000
sentinel failover-timeout coupon 5000
"""


class Watched:
    """A master, its replica and three sentinels, as processes."""

    def __init__(self, folder: Path, ports: dict[str, int], stack: ExitStack) -> None:
        self._folder = folder
        self._ports = ports
        self._stack = stack
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        sentinels = ",".join(f"{HOST}:{ports[name]}" for name in SENTINELS)
        self.url = f"redis+sentinel://{sentinels}/0?service=coupon"

    def start(self) -> None:
        """Start all and wait until each sentinel knows of the others and of the replica."""
        self.run("master", "--repl-diskless-sync-delay", "0")
        self.run("replica", "--replicaof", f"{HOST} {self._ports['master']}")
        eventually(lambda: self._is("replica", "replication", master_link_status="up"))
        for name in SENTINELS:
            file = self._folder / f"{name}.conf"
            file.write_text(CONFIGURATION.format(host=HOST, master=self._ports["master"]))
            self.run(name, "--sentinel", file=file)
            eventually(partial(self._looks_often, name))
        eventually(lambda: all(self._is_ready(name) for name in SENTINELS), FAILOVER_SECONDS)

    def run(self, name: str, *options: str, file: Path | None = None) -> None:
        """Start one server."""
        command = [valkey_server(), *([file] if file else []), *options]
        command += ["--port", str(self._ports[name]), "--bind", HOST, "--save", ""]
        self._running[name] = self._stack.enter_context(_running(command, self._folder))

    def kill(self, name: str) -> None:
        """SIGKILL, and wait for the end."""
        self._running[name].kill()
        self._running[name].wait()

    def ask(self, name: str) -> redis.Redis:
        """A client of one server."""
        client = redis.Redis(host=HOST, port=self._ports[name], decode_responses=True)
        self._stack.enter_context(client)
        return client

    def is_master(self, name: str) -> bool:
        """Whether this server is the master for the first sentinel."""
        state = self.ask(SENTINELS[0]).sentinel_master("coupon")
        assert isinstance(state, dict)
        return bool(state["port"] == self._ports[name])

    def _is(self, name: str, section: str, **facts: str) -> bool:
        try:
            info = self.ask(name).info(section)
        except redis.RedisError:
            return False
        return all(info[fact] == value for fact, value in facts.items())

    def _looks_often(self, name: str) -> bool:
        try:
            self.ask(name).execute_command("SENTINEL", "DEBUG", *OFTEN)  # type: ignore[no-untyped-call]
        except redis.ConnectionError:
            return False
        return True

    def _is_ready(self, name: str) -> bool:
        try:
            state = self.ask(name).sentinel_master("coupon")
        except redis.RedisError:
            return False
        assert isinstance(state, dict)
        replicas, others = state["num-slaves"], state["num-other-sentinels"]
        return bool(replicas == 1 and others == len(SENTINELS) - 1)


@contextmanager
def _running(command: list[object], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    words = [str(word) for word in command]
    with subprocess.Popen(words, cwd=folder, stdout=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    with ExitStack() as stack:
        watched = Watched(tmp_path, free_ports(("master", "replica", *SENTINELS)), stack)
        watched.start()
        yield watched


def _answered(gate: Gate, user_id: int) -> object:
    try:
        return gate.admit([Claim(PROTOTYPE.coupon_id, user_id)])[0]
    except RedisUnavailable:
        return None


def _is_demoted(watched: Watched) -> bool:
    """Whether the master has become a replica; a failover is ordered where none is under way.

    A sentinel gives a failover up when the replica is too slow for it, and begins none by itself.
    """
    if watched.ask("master").role()[0] == "slave":
        return True
    with suppress(redis.ResponseError):  # one is under way, or no replica is fit for it now
        if watched.is_master("master"):
            watched.ask(SENTINELS[0]).execute_command("SENTINEL", "FAILOVER", "coupon")  # type: ignore[no-untyped-call]
    return False


def test_a_failover_closes_the_gate_until_it_is_rebuilt_on_the_new_master(
    watched: Watched,
) -> None:
    gate = connect_gate(watched.url)
    open_coupon(gate, PROTOTYPE)
    assert isinstance(_answered(gate, 1), Admission)
    eventually(lambda: watched.ask("master").wait(1, 100) == 1, what="the replica has it all")
    watched.kill("master")
    # The replica holds the coupon as it was, so only its run_id can tell that it may be behind.
    answer = eventually(lambda: _answered(gate, 2), FAILOVER_SECONDS, "the new master")
    assert answer is GateState.STALE
    assert open_coupon(gate, replace(PROTOTYPE, gate_epoch=2))
    assert isinstance(_answered(gate, 2), Admission)


def test_a_sentinel_that_is_away_changes_nothing(watched: Watched) -> None:
    watched.kill(SENTINELS[0])
    gate = connect_gate(watched.url)
    open_coupon(gate, PROTOTYPE)
    assert isinstance(_answered(gate, 1), Admission)


def test_a_demoted_master_that_still_answers_is_left(watched: Watched) -> None:
    gate = connect_gate(watched.url)
    open_coupon(gate, PROTOTYPE)
    eventually(lambda: _is_demoted(watched), FAILOVER_SECONDS, "the master is a replica")
    answer = eventually(lambda: _answered(gate, 2), FAILOVER_SECONDS, "the new master")
    assert answer is GateState.STALE
