"""The cluster overlay under a project name of its own, and what an operator does to it."""

import random
from collections.abc import Sequence
from ipaddress import IPv4Network
from pathlib import Path
from typing import ClassVar

import docker
import psycopg
from docker.errors import NotFound
from docker.models.networks import Network

from coupons.waiting import eventually
from tests.compose.containers import ANSWER_SECONDS, PORTS, Containers

BACK_SECONDS = 120
STOP_SECONDS = 20
POSTGRES = ("postgres", "postgres-2", "postgres-3")
MUTE_NAME_SERVER = Path(__file__).with_name("mute-name-server.yaml")
CLUSTER_PORTS = (*PORTS, "postgres-2", "postgres-3", "kafka-2", "kafka-3")

# In a container, because the sentinels name the master as containers know it.
_COMPLAINTS = """
import os, sys
from coupons.gate import connect_gate
from coupons.ledger.connection import connect_ledger
from operations.verify.report import await_consistency
gate = connect_gate(os.environ["COUPON_REDIS_URL"])
with connect_ledger(os.environ["COUPON_DATABASE_URL"], "test") as ledger:
    books = await_consistency(gate, ledger, int(sys.argv[1]), float(sys.argv[2]))
print(*books.complaints, sep="\\n")
"""


class Cluster(Containers):
    """A running cluster; its services are named as in the files."""

    files = ("compose.yaml", "cluster.yaml", str(MUTE_NAME_SERVER))
    images: ClassVar = {**Containers.images, "COUPON_PROXY_IMAGE": "-proxy"}

    def crash(self, service: str) -> None:
        """SIGKILL to its processes, so that the engine sees it die and starts it again."""
        self.run_in(service, "sh", "-c", "kill -9 -1")

    def kill(self, service: str) -> None:
        """SIGKILL, after which the engine leaves it alone."""
        container = self.container(service)
        container.kill()
        container.wait(timeout=ANSWER_SECONDS)

    def start(self, service: str) -> None:
        """Start it, if it was killed, and wait until it is healthy."""
        self.container(service).start()
        eventually(lambda: self.healthy(service), BACK_SECONDS, f"{service} healthy again")

    def restart(self, service: str) -> None:
        """Stop it in order, as an upgrade does, and wait until it is healthy again."""
        self.container(service).restart(timeout=STOP_SECONDS)
        eventually(lambda: self.healthy(service), BACK_SECONDS, f"{service} healthy again")

    def redis_master(self) -> str:
        """The service that the sentinels name."""
        ask = "valkey-cli -p 26379 sentinel get-master-addr-by-name coupon"
        return self.run_in("sentinel-1", *ask.split())[1].splitlines()[0]

    def redis_replica(self) -> str:
        """The other one."""
        return "valkey" if self.redis_master() == "valkey-2" else "valkey-2"

    def connect_worker(self) -> str:
        """The service that runs the connector's task."""
        state = self.connect("/connectors/coupon-cdc/status")
        return str(state["tasks"][0]["worker_id"]).partition(":")[0]

    def postgres_primary(self) -> str:
        """The service that takes writes."""
        return next(name for name in POSTGRES if self._in_recovery(name) == "f")

    def followed_standby(self) -> str:
        """The service that change capture waits for."""
        slot = self._psql(self.postgres_primary(), "SHOW synchronized_standby_slots")
        return slot.replace("_", "-")

    def other_standby(self) -> str:
        """The service that nothing but commits may wait for."""
        taken = {self.postgres_primary(), self.followed_standby()}
        return next(name for name in POSTGRES if name not in taken)

    def promote(self, services: Sequence[str]) -> str:
        """What an operator does: the first that does not refuse; returns its name."""
        refusals = []
        for service in services:
            code, said = self.run_in(service, "postgres-node", "promote")
            if code == 0:
                return service
            refusals.append(f"{service}: {said}")
        raise AssertionError("\n".join(refusals))

    def failover_slot_is_copied(self) -> bool:
        """Whether both standbys could go on with change capture."""
        query = (
            "SELECT count(*) FROM pg_replication_slots WHERE slot_name = 'coupon_cdc'"
            " AND synced AND NOT temporary AND invalidation_reason IS NULL"
        )
        standbys = [name for name in POSTGRES if self._in_recovery(name) == "t"]
        copies = [self._psql(name, query) for name in standbys]
        return copies == ["1", "1"]

    def standbys(self) -> set[str]:
        """Servers that follow the primary, by the names that they give themselves."""
        query = "SELECT application_name FROM pg_stat_replication WHERE sync_state = 'quorum'"
        return set(self._psql(self.postgres_primary(), query).split())

    def complaints(self, coupon_id: int, wait_seconds: float) -> str:
        """What does not add up in the books of a coupon; empty when all does."""
        secret = ("with-secret", "PGPASSWORD", "/run/secrets/coupon_reconciler")
        program = ("python", "-c", _COMPLAINTS, str(coupon_id), str(wait_seconds))
        return self.run_in("reconciler", *secret, *program)[1]

    def rows(self, query: str, coupon_id: int) -> list[tuple[int, ...]]:
        """The rows of a query with one place for the coupon, from whichever server is primary."""
        with psycopg.connect(
            host=",".join("127.0.0.1" for _ in POSTGRES),
            port=",".join(str(self.ports[name]) for name in POSTGRES),
            target_session_attrs="read-write",
            dbname="coupon",
            user="coupon_ops",
            password=(self.secrets / "coupon_ops").read_text("ascii"),
            connect_timeout=ANSWER_SECONDS,
        ) as connection:
            return connection.execute(query, [coupon_id]).fetchall()

    def _environment(self) -> dict[str, str]:
        return {**super()._environment(), "COUPON_NETWORK": self._network()}

    def _network(self) -> str:
        """The first three numbers of its addresses, which the project keeps once it has some."""
        try:
            (subnet,) = _subnets(self.engine.networks.get(f"{self.project}_default"))
        except NotFound:
            subnet = _free_subnet(self.engine)
        return str(subnet.network_address).rpartition(".")[0]

    def _in_recovery(self, service: str) -> str:
        return self._psql(service, "SELECT pg_is_in_recovery()")

    def _psql(self, service: str, query: str) -> str:
        return self.run_in(service, "psql", "-XAtU", "postgres", "-c", query)[1]


def _subnets(network: Network) -> list[IPv4Network]:
    ranges = [each["Subnet"] for each in network.attrs["IPAM"]["Config"] or []]
    return [IPv4Network(each) for each in ranges if ":" not in each]


def _free_subnet(engine: docker.DockerClient) -> IPv4Network:
    taken = [subnet for network in engine.networks.list() for subnet in _subnets(network)]
    some = list(IPv4Network("10.77.0.0/16").subnets(new_prefix=24))
    random.shuffle(some)  # another copy may be looking for one too
    return next(each for each in some if not any(each.overlaps(other) for other in taken))
