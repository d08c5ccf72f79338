"""A server that was the master before, and becomes it again, is not the one that was trusted."""

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
import redis

from coupons.gate import Gate, connect_gate, open_coupon
from coupons.gate.scripts import Call, run_scripts
from coupons.gate.values import coupon_key, definition_fields, write_requests
from coupons.model import Admission, Claim, GateState, IssueRequest, Status
from coupons.waiting import eventually
from stack.ports import HOST, free_ports
from stack.servers.valkey import valkey_server
from tests.support.gate import PROTOTYPE

KEY = coupon_key(PROTOTYPE.coupon_id)
ISSUED = IssueRequest(PROTOTYPE.coupon_id, 1, 1_000, Status.ISSUED)


class Member:
    """One server of a pair, which takes over the other's data or is the master itself."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.gate: Gate = connect_gate(f"redis://{HOST}:{port}/0")

    @property
    def is_up(self) -> bool:
        try:
            return bool(self.gate.client.ping())
        except redis.RedisError:
            return False

    def follow(self, master: "Member") -> None:
        """Become a replica of the other: the same process, with the other's data."""
        self.gate.client.replicaof(HOST, str(master._port))
        eventually(self._has_caught_up, what="the replica has the master's data")

    def promote(self) -> None:
        """Become a master with what is there."""
        self.gate.client.replicaof("NO", "ONE")

    def _has_caught_up(self) -> bool:
        state = self.gate.client.info("replication")
        return state["master_link_status"] == "up" and not state["master_sync_in_progress"]


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[Member, Member]]:
    """A master, and a replica that follows it."""
    with ExitStack() as running:
        members = []
        for name, port in free_ports(["first", "second"]).items():
            (tmp_path / name).mkdir()
            command = [str(valkey_server()), "--port", str(port), "--bind", HOST, "--save", ""]
            command += ["--repl-diskless-sync-delay", "0"]
            process = running.enter_context(
                subprocess.Popen(command, cwd=tmp_path / name, stdout=subprocess.DEVNULL)
            )
            running.callback(process.kill)
            members.append(Member(port))
        first, second = members
        eventually(lambda: first.is_up and second.is_up, what="both servers answer")
        second.follow(first)
        yield first, second


def _await_copy(master: Member) -> None:
    """Return when its replica has what was written."""
    eventually(lambda: master.gate.client.wait(1, 100) == 1, what="the replica has it all")


def _there_and_back(first: Member, second: Member) -> None:
    """The second one, promoted before, is followed by the first, which is then promoted again."""
    first.follow(second)
    first.promote()


def test_a_master_that_was_demoted_and_promoted_again_admits_nobody(
    pair: tuple[Member, Member],
) -> None:
    first, second = pair
    assert open_coupon(first.gate, PROTOTYPE)
    _await_copy(first)
    second.promote()
    # The first one is cut off from the other, and not yet from its clients.
    assert isinstance(first.gate.admit([Claim(7, 1)])[0], Admission)
    assert second.gate.admit([Claim(7, 1)]) == [GateState.STALE]
    _there_and_back(first, second)
    assert first.gate.admit([Claim(7, 2)]) == [GateState.STALE]
    assert first.gate.read(7, [1]) is GateState.STALE
    [figures] = first.gate.figures([7])
    assert figures is not None
    assert figures.state is GateState.STALE
    assert open_coupon(first.gate, replace(PROTOTYPE, gate_epoch=2))
    assert isinstance(first.gate.admit([Claim(7, 2)])[0], Admission)


def _begin(gate: Gate, epoch: int) -> None:
    arguments = [epoch, 1, *definition_fields(PROTOTYPE)]
    assert run_scripts(gate.client, [Call("begin", KEY, arguments)])[0][0]


def _load(gate: Gate, epoch: int) -> bool:
    return bool(run_scripts(gate.client, [Call("load", KEY, [epoch, write_requests([ISSUED])])])[0])


def _open(gate: Gate, epoch: int, loaded: int = 1) -> bool:
    return bool(run_scripts(gate.client, [Call("open", KEY, [epoch, loaded])])[0])


def test_a_rebuild_that_lost_what_it_loaded_there_and_back_does_not_open(
    pair: tuple[Member, Member],
) -> None:
    first, second = pair
    _begin(first.gate, 2)
    _await_copy(first)
    second.promote()
    assert _load(first.gate, 2)
    _there_and_back(first, second)
    # Even if there had been nothing to load: its identity is what is looked at.
    assert not _open(first.gate, 2, loaded=0)
    assert first.gate.admit([Claim(7, 2)]) == [GateState.STALE]


def test_a_rebuild_loads_nothing_into_a_server_that_it_did_not_begin_on(
    pair: tuple[Member, Member],
) -> None:
    first, second = pair
    _begin(first.gate, 2)
    _await_copy(first)
    second.promote()
    assert not _load(second.gate, 2)
    [figures] = second.gate.figures([7])
    assert figures is not None
    assert (figures.issued, figures.state) == (0, GateState.STALE)


def test_a_rebuild_does_not_open_a_gate_that_holds_less_than_was_loaded(gate: Gate) -> None:
    _begin(gate, 2)
    assert not _open(gate, 2)
    assert gate.admit([Claim(7, 2)]) == [GateState.STALE]
    assert _load(gate, 2)
    assert _open(gate, 2)


def test_a_replica_admits_nobody_and_tells_nothing(pair: tuple[Member, Member]) -> None:
    first, second = pair
    assert open_coupon(first.gate, PROTOTYPE)
    _await_copy(first)
    assert second.gate.admit([Claim(7, 1)]) == [GateState.STALE]
    assert second.gate.read(7, [1]) is GateState.STALE
