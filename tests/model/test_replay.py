"""The model of the protocol is what the code does: random ways through it, on the real servers.

Each step of the model is taken by the project's own code (API, consumer, reconciler, scripts, SQL),
and after each the gate and the ledger hold what the model says. Look for new ways with

    COUPON_MODEL_WAYS=2000 make test ARGS="tests/model/test_replay.py"
"""

import os
import random
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from coupons.gate import rebuild
from coupons.ledger.connection import connect_ledger
from tests.model.protocol.programs import Programs
from tests.model.protocol.scopes import REPLAYED, Scope
from tests.model.replay.actors import Connections, stepped_stream_requests
from tests.model.replay.world import World
from tests.model.system import System
from tests.support.databases import Database
from tests.support.servers import ValkeyServer

WAYS = "COUPON_MODEL_WAYS"
WAYS_BY_DEFAULT = 8
STEPS = 60
SEED = 2
"""Of the ways that run with the tests; they depend on each of PROTECTIONS."""
PROTECTIONS = (
    ("gate-knows-its-server",),
    ("load-knows-its-server",),
    ("open-knows-its-server", "open-counts"),
    ("epoch-fences-writes",),
    ("repeated-keeps-its-place",),
    ("admitted-before-closed",),
)


@pytest.fixture
def system(valkey_server: ValkeyServer, database: Database) -> Iterator[System]:
    with closing(System(valkey_server, database)) as system:
        yield system


@pytest.fixture
def connections(database: Database) -> Iterator[Connections]:
    url = database.url("coupon_owner")
    with closing(Connections(lambda: connect_ledger(url, "replay"))) as connections:
        yield connections


@pytest.mark.timeout(0 if WAYS in os.environ else 300)
@pytest.mark.parametrize("scope", REPLAYED, ids=lambda scope: scope.name)
def test_the_code_takes_the_steps_of_the_model(
    scope: Scope,
    protocol: Programs,
    system: System,
    connections: Connections,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rebuild, "stream_requests", stepped_stream_requests)
    ways = int(os.environ.get(WAYS, WAYS_BY_DEFAULT))
    seed = random.randrange(1_000_000) if WAYS in os.environ else SEED
    for number, way in enumerate(protocol.walk(scope, seed, ways, STEPS)):
        _replay(way, system, connections, f"way {number} of seed {seed}")


@pytest.mark.parametrize("protections", PROTECTIONS, ids=" and ".join)
def test_the_ways_that_are_replayed_would_be_others_without_a_protection(
    protections: tuple[str, ...], protocol: Programs
) -> None:
    def walked(scope: Scope) -> list[list[dict[str, Any]]]:
        return list(protocol.walk(scope, SEED, WAYS_BY_DEFAULT, STEPS))

    assert any(walked(scope) != walked(scope._replace(without=protections)) for scope in REPLAYED)


def _replay(way: list[dict[str, Any]], system: System, connections: Connections, name: str) -> None:
    world = World(system, connections, way[0]["start"])
    taken = []
    try:
        for line in way[1:]:
            taken.append(line["step"])
            world.take(line["step"], line["after"])
        world.come_to_rest()
    except Exception as error:
        error.add_note("\n".join([f"{name}:", *map(str, taken)]))
        raise
    finally:
        world.end()
