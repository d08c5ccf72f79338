"""Several of everything: whichever container dies during a rush, nothing that was accepted does.

A container that has another like it stays dead until everything is final without it; one that is
alone is started again by the engine, as after a crash.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from time import monotonic

import docker
import pytest

from coupons.waiting import eventually
from tests.compose.cluster import CLUSTER_PORTS, Cluster
from tests.compose.containers import running_containers
from tests.compose.rush import Rush, rush
from tests.compose.test_compose import create_coupon

pytestmark = pytest.mark.timeout(1500)

CLAIMS = 5_000
THREADS = 32
KILL_AFTER = 1_000
ANSWERED_AGAIN_SECONDS = 10
FINAL_SECONDS = 180
NEEDED_MEMORY_GIB = 4

MOST_CLAIMS = 80_000
RESTARTED = ("api", "api-2", "consumer", "consumer-2", "consumer-3", "reconciler", "monitor")

COUNTS = """
SELECT (SELECT count(*) FROM coupon_issue_request WHERE coupon_id = c.coupon_id),
       (SELECT count(*) FROM issued_coupon WHERE coupon_id = c.coupon_id),
       (SELECT count(DISTINCT user_id) FROM issued_coupon WHERE coupon_id = c.coupon_id)
FROM coupon AS c WHERE c.coupon_id = %s
"""
REQUESTED = "SELECT user_id FROM coupon_issue_request WHERE coupon_id = %s"
ISSUED = "SELECT user_id FROM issued_coupon WHERE coupon_id = %s"

ALONE = ("proxy", "registry", "reconciler")
SEVERAL: dict[str, Callable[[Cluster], str]] = {
    "API": lambda _: "api",
    "consumer": lambda _: "consumer-2",
    "Connect worker with the task": Cluster.connect_worker,
    "Kafka broker": lambda _: "kafka",
    "Redis replica": Cluster.redis_replica,
    "Redis master": Cluster.redis_master,
    "sentinel": lambda _: "sentinel-1",
    "Postgres standby": Cluster.other_standby,
}


@dataclass
class Outcome:
    """What a killed container cost; times in seconds from the kill."""

    killed: str
    pause: float
    slowest_claim: float
    final: float
    otherwise: dict[int | str, int]

    def __str__(self) -> str:
        return (
            f"{self.killed:<50} {self.pause:>7.1f} {self.slowest_claim:>9.1f} {self.final:>7.1f}"
            f"   {self.otherwise or ''}"
        )


@pytest.fixture(scope="module")
def cluster(
    request: pytest.FixtureRequest,
    engine: docker.DockerClient,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Cluster]:
    if not request.config.getoption("--cluster"):
        pytest.skip("the cluster takes some ten minutes: ask for it with --cluster")
    memory = engine.info()["MemTotal"] / 2**30
    if memory < NEEDED_MEMORY_GIB:
        pytest.skip(f"the cluster needs {NEEDED_MEMORY_GIB} GiB, this engine has {memory:.1f}")
    folder = tmp_path_factory.mktemp("cluster")
    with running_containers(Cluster, "cluster", CLUSTER_PORTS, engine, folder) as running:
        yield running


@pytest.fixture(scope="module")
def outcomes(request: pytest.FixtureRequest) -> Iterator[list[Outcome]]:
    told: list[Outcome] = []
    yield told
    capture = request.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        print(f"\n\n{'killed':<50}   pause   slowest   final   answers other than accepted")
        print(*told, sep="\n")


def _rush_and(cluster: Cluster, named: str, strike: Callable[[], None]) -> tuple[int, Outcome]:
    """A rush during which `strike` happens; returns when everything accepted is issued.

    Checks that nobody was left without an answer, and that every accepted claim is a row.
    """
    coupon_id = create_coupon(cluster, CLAIMS)
    with rush(cluster, coupon_id, CLAIMS, THREADS) as told:
        eventually(lambda: len(told.accepted_at) > KILL_AFTER, FINAL_SECONDS, "a rush")
        struck = monotonic()
        strike()
        assert len(told.accepted_at) < CLAIMS, "struck too late"
    assert len(told.accepted_at) == CLAIMS, f"not accepted: {told.otherwise}"
    outcome = Outcome(
        named, told.pause_after(struck), max(told.waited.values()), 0.0, told.otherwise
    )
    _check_rows(cluster, coupon_id, told)
    return coupon_id, _timed(outcome, struck, lambda: _all_issued(cluster, coupon_id))


def _check_rows(cluster: Cluster, coupon_id: int, told: Rush) -> None:
    assert {row[0] for row in cluster.rows(REQUESTED, coupon_id)} == set(told.accepted_at)


def _all_issued(cluster: Cluster, coupon_id: int) -> bool:
    return cluster.rows(COUNTS, coupon_id) == [(CLAIMS, CLAIMS, CLAIMS)]


def _timed(outcome: Outcome, struck: float, is_final: Callable[[], bool]) -> Outcome:
    eventually(is_final, FINAL_SECONDS, f"all issued after {outcome.killed} was killed")
    outcome.final = monotonic() - struck
    return outcome


def _check_books(cluster: Cluster, coupon_id: int) -> None:
    assert cluster.complaints(coupon_id, FINAL_SECONDS) == ""


@pytest.mark.parametrize("service", ALONE)
def test_a_crash_of_what_is_alone_is_over_within_seconds(
    cluster: Cluster, outcomes: list[Outcome], service: str
) -> None:
    coupon_id, outcome = _rush_and(cluster, f"{service}, crashed", lambda: cluster.crash(service))
    outcomes.append(outcome)
    eventually(lambda: cluster.healthy(service), FINAL_SECONDS)
    _check_books(cluster, coupon_id)
    assert outcome.pause < ANSWERED_AGAIN_SECONDS, outcome


@pytest.mark.parametrize("role", SEVERAL)
def test_the_others_go_on_without_one_that_was_killed(
    cluster: Cluster, outcomes: list[Outcome], role: str
) -> None:
    service = SEVERAL[role](cluster)
    coupon_id, outcome = _rush_and(cluster, f"{role} ({service})", lambda: cluster.kill(service))
    outcomes.append(outcome)
    _check_books(cluster, coupon_id)
    cluster.start(service)
    assert outcome.pause < ANSWERED_AGAIN_SECONDS, outcome


def test_a_rolling_restart_refuses_and_loses_nothing(
    cluster: Cluster, outcomes: list[Outcome]
) -> None:
    """Each process of the application in turn: every claim is accepted at the first attempt."""
    coupon_id = create_coupon(cluster, MOST_CLAIMS)
    with rush(cluster, coupon_id, MOST_CLAIMS, THREADS) as told:
        eventually(lambda: len(told.accepted_at) > KILL_AFTER, FINAL_SECONDS, "a rush")
        struck = monotonic()
        for service in RESTARTED:
            cluster.restart(service)
        assert len(told.accepted_at) < MOST_CLAIMS, "the rush was over too early"
        told.enough.set()
    outcome = Outcome(
        "nothing: a rolling restart of the application",
        told.pause_after(struck),
        max(told.waited.values()),
        0.0,
        told.otherwise,
    )
    _check_rows(cluster, coupon_id, told)
    issued = [tuple([len(told.accepted_at)] * 3)]
    outcomes.append(_timed(outcome, struck, lambda: cluster.rows(COUNTS, coupon_id) == issued))
    _check_books(cluster, coupon_id)
    assert not told.otherwise


def test_without_the_standby_of_capture_claims_are_issued_later(
    cluster: Cluster, outcomes: list[Outcome]
) -> None:
    """Without the standby that capture follows claims are accepted and issued later."""
    standby = cluster.followed_standby()
    coupon_id = create_coupon(cluster, CLAIMS)
    with rush(cluster, coupon_id, CLAIMS, THREADS) as told:
        eventually(lambda: len(told.accepted_at) > KILL_AFTER, FINAL_SECONDS, "a rush")
        struck = monotonic()
        cluster.kill(standby)
    cluster.start(standby)
    outcome = Outcome(
        f"Postgres standby that capture follows ({standby})",
        told.pause_after(struck),
        max(told.waited.values()),
        0.0,
        told.otherwise,
    )
    _check_rows(cluster, coupon_id, told)
    outcomes.append(_timed(outcome, struck, lambda: _all_issued(cluster, coupon_id)))
    _check_books(cluster, coupon_id)
    assert outcome.pause < ANSWERED_AGAIN_SECONDS, outcome


def test_a_promoted_standby_has_all_and_capture_goes_on_from_there(
    cluster: Cluster, outcomes: list[Outcome]
) -> None:
    """A promoted standby has all that was acknowledged and capture goes on from there."""
    eventually(cluster.failover_slot_is_copied, FINAL_SECONDS, "the slot on both standbys")
    primary = cluster.postgres_primary()
    others = [name for name in ("postgres-2", "postgres-3", "postgres") if name != primary]

    def fail_over() -> None:
        cluster.kill(primary)
        cluster.promote(others)

    coupon_id, outcome = _rush_and(cluster, "Postgres primary, and a promotion", fail_over)
    outcomes.append(outcome)
    assert {row[0] for row in cluster.rows(ISSUED, coupon_id)} == set(range(1, CLAIMS + 1))
    _check_books(cluster, coupon_id)
    cluster.start(primary)
    eventually(lambda: len(cluster.standbys()) == 2, FINAL_SECONDS, "the old primary follows")
