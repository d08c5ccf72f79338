"""What the controllers of Kubernetes make of the chart. kwok plays the nodes: no container runs."""

import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from coupons.waiting import eventually
from tests.chart.cluster import Cluster, RefusedError
from tests.chart.release import Release, image_of

pytestmark = pytest.mark.xdist_group("kubernetes")
PODS = {"api": 2, "consumer": 3, "reconciler": 2, "monitor": 1}
"""Of the chart with the values `minimal`."""
MOST_S = 60
WAIT = ("--wait", f"--timeout={MOST_S}s")
TO_NEW = "--set=image.tag=0.3.0"


@pytest.fixture
def installed(cluster: Cluster, release: Release) -> Release:
    """A release with the values `minimal`, of which every pod is ready."""
    release.install("minimal", *WAIT)
    return release


@pytest.fixture
def cordon(cluster: Cluster) -> Iterator[Cluster]:
    """The nodes take pods again after the test."""
    yield cluster
    cluster.cordon(closed=False)


def test_all_pods_run_within_a_minute_of_the_install(cluster: Cluster, release: Release) -> None:
    """The time of the objects and the controllers; that of images and processes comes on top."""
    begun = time.monotonic()
    release.install("minimal", *WAIT)
    took = time.monotonic() - begun
    assert {name: len(release.ready(name)) for name in PODS} == PODS
    assert took < MOST_S, took
    print(f"from helm install to all pods running: {took:.1f} s")


def test_migrate_ends_before_anything_else_exists(cordon: Cluster, release: Release) -> None:
    """At the install, and again at an upgrade: until then nothing has the new version."""
    cordon.cordon(closed=True)
    with ThreadPoolExecutor(1) as helm:
        installing = helm.submit(release.install, "minimal", *WAIT)
        eventually(lambda: release.get("Job", "migrate")["status"].get("active"), within_s=30)
        assert {name for _kind, name in release.objects()} == {"shop-migrate"}
        cordon.cordon(closed=False)
        installing.result()
    cordon.cordon(closed=True)
    with ThreadPoolExecutor(1) as helm:
        upgrading = helm.submit(release.upgrade, "minimal", *WAIT, TO_NEW)
        eventually(lambda: "0.3.0" in image_of(release.get("Job", "migrate")), within_s=30)
        assert "0.2.0" in image_of(release.get("Deployment", "api"))
        assert "0.2.0" in image_of(release.get("StatefulSet", "consumer"))
        cordon.cordon(closed=False)
        upgrading.result()
    assert "0.3.0" in image_of(release.get("Deployment", "api"))


def test_a_version_that_never_gets_ready_takes_little_with_it(
    installed: Release, cordon: Cluster
) -> None:
    """Every pod of the API goes on, and all but one of each other kind; a rollback repairs it."""
    cordon.cordon(closed=True)
    installed.upgrade("minimal", "--no-hooks", TO_NEW)
    for component in ("api", "consumer", "reconciler"):
        eventually(partial(_has_new, installed, component), within_s=30)
    assert len(installed.ready("api")) == PODS["api"]
    assert len(installed.ready("consumer")) == PODS["consumer"] - 1
    assert len(installed.ready("reconciler")) == PODS["reconciler"] - 1
    installed.run("rollback", "1", "--no-hooks")
    for component in PODS:
        eventually(partial(_is_old, installed, component), within_s=60)
    cordon.cordon(closed=False)
    for component, pods in PODS.items():
        installed.wait_ready(component, pods)


def _has_new(release: Release, component: str) -> bool:
    images = [each["spec"]["containers"][0]["image"] for each in release.pods(component)]
    return any("0.3.0" in image for image in images)


def _is_old(release: Release, component: str) -> bool:
    return not _has_new(release, component)


def test_values_that_only_the_server_refuses_are_undone(installed: Release) -> None:
    """A limit below its request: helm changes object by object, and then takes that back."""
    too_little = "--set=monitor.resources.limits.memory=1Mi"
    with pytest.raises(subprocess.CalledProcessError) as raised:
        installed.upgrade("minimal", *WAIT, TO_NEW, too_little, "--rollback-on-failure")
    assert "must be less than or equal to memory limit" in raised.value.stderr
    for component, pods in PODS.items():
        installed.wait_ready(component, pods)
        assert _is_old(installed, component)
    assert installed.revision()[1] == "deployed"


@pytest.mark.parametrize("component", ["api", "consumer", "reconciler"])
def test_a_drain_takes_one_pod_of_a_kind_at_a_time(
    installed: Release, cordon: Cluster, component: str
) -> None:
    """The next one may go once the first runs elsewhere."""
    cordon.cordon(closed=True)
    first, second, *_ = installed.wait_ready(component, PODS[component])
    eventually(lambda: _allowed(installed, component) == 1, within_s=30)
    cordon.evict(first, installed.namespace)
    eventually(lambda: first not in installed.ready(component), within_s=30)
    with pytest.raises(RefusedError, match="disruption budget") as refused:
        cordon.evict(second, installed.namespace)
    assert refused.value.code == 429
    cordon.cordon(closed=False)
    installed.wait_ready(component, PODS[component])
    eventually(lambda: _allowed(installed, component) == 1, within_s=30)
    cordon.evict(second, installed.namespace)


def _allowed(release: Release, component: str) -> int:
    status = release.get("PodDisruptionBudget", component)["status"]
    allowed: int = status["disruptionsAllowed"]
    return allowed


def test_consumers_keep_their_names_when_their_number_changes(installed: Release) -> None:
    installed.upgrade("minimal", *WAIT, "--set=consumer.replicas=5")
    five = installed.wait_ready("consumer", 5)
    assert five == [f"shop-consumer-{number}" for number in range(5)]
    installed.upgrade("minimal", *WAIT, "--set=consumer.replicas=2")
    assert installed.wait_ready("consumer", 2) == five[:2]


def test_an_upgrade_leaves_the_number_that_the_autoscaler_chose(installed: Release) -> None:
    """Where it is turned on, the API keeps the pods that it had."""
    automatic = "--set=api.autoscaling.enabled=true"
    before = installed.ready("api")
    installed.upgrade("minimal", *WAIT, automatic)
    installed.wait_ready("api", PODS["api"])
    assert installed.ready("api") == before
    _scale(installed, "deployments", "api", 4)
    installed.upgrade("minimal", *WAIT, automatic, TO_NEW)
    assert installed.get("Deployment", "api")["spec"]["replicas"] == 4
    installed.wait_ready("api", 4)


def test_the_autoscaler_is_turned_off_by_force(installed: Release) -> None:
    """The number is then that of the values; without force, helm refuses and nothing changes."""
    installed.upgrade("minimal", *WAIT, "--set=api.autoscaling.enabled=true")
    _scale(installed, "deployments", "api", 4)
    with pytest.raises(subprocess.CalledProcessError) as raised:
        installed.upgrade("minimal", *WAIT)
    assert ".spec.replicas" in raised.value.stderr
    assert len(installed.ready("api")) == 4
    installed.upgrade("minimal", *WAIT, "--force-conflicts")
    installed.wait_ready("api", PODS["api"])


def test_more_pods_at_least_are_left_to_the_autoscaler(installed: Release) -> None:
    """Also after it has chosen a number itself, which is then its own."""
    automatic = "--set=api.autoscaling.enabled=true"
    installed.upgrade("minimal", *WAIT, automatic)
    _scale(installed, "deployments", "api", 4)
    installed.upgrade("minimal", *WAIT, automatic, "--set=api.autoscaling.minReplicas=5")
    installed.wait_ready("api", 5)
    installed.upgrade("minimal", *WAIT, automatic, "--set=api.autoscaling.minReplicas=6")
    installed.wait_ready("api", 6)


def test_a_rollback_leaves_the_number_that_the_autoscaler_chose(installed: Release) -> None:
    """But to the revision that turned it on, which has a number: the page says what to do then."""
    automatic = "--set=api.autoscaling.enabled=true"
    installed.upgrade("minimal", *WAIT, automatic)
    _scale(installed, "deployments", "api", 4)
    installed.upgrade("minimal", *WAIT, automatic)
    installed.upgrade("minimal", *WAIT, automatic, TO_NEW)
    _scale(installed, "deployments", "api", 3)
    installed.run("rollback", "3", *WAIT)
    assert _is_old(installed, "api")
    assert len(installed.wait_ready("api", 3)) == 3
    with pytest.raises(subprocess.CalledProcessError) as raised:
        installed.run("rollback", "2", *WAIT)
    assert ".spec.replicas" in raised.value.stderr
    installed.upgrade("minimal", *WAIT, automatic)
    assert len(installed.wait_ready("api", 3)) == 3
    installed.run("rollback", "2", *WAIT, "--force-conflicts")
    assert len(installed.wait_ready("api", PODS["api"])) == PODS["api"]


@pytest.mark.parametrize("automatic", ["false", "true"])
def test_an_upgrade_starts_what_was_stopped_by_hand(installed: Release, automatic: str) -> None:
    """As the page about Kubernetes says, after a restore. Nobody owns the number 0."""
    values = f"--set=api.autoscaling.enabled={automatic}"
    installed.upgrade("minimal", *WAIT, values)
    _scale(installed, "deployments", "api", PODS["api"] + 1)
    _scale(installed, "deployments", "api", 0)
    _scale(installed, "statefulsets", "consumer", 0)
    _scale(installed, "statefulsets", "reconciler", 0)
    installed.upgrade("minimal", *WAIT, values)
    for component, pods in PODS.items():
        installed.wait_ready(component, pods)


def test_a_number_that_was_set_by_hand_is_changed_by_force_only(installed: Release) -> None:
    _scale(installed, "statefulsets", "consumer", 5)
    with pytest.raises(subprocess.CalledProcessError) as raised:
        installed.upgrade("minimal", *WAIT)
    assert ".spec.replicas" in raised.value.stderr
    installed.upgrade("minimal", *WAIT, "--force-conflicts")
    installed.wait_ready("consumer", PODS["consumer"])


def _scale(release: Release, kind: str, component: str, pods: int) -> None:
    """As `kubectl scale` and the autoscaler do. Returns when so many are ready."""
    workload = f"/apis/apps/v1/namespaces/{release.namespace}/{kind}/shop-{component}"
    release.cluster.patch(f"{workload}/scale", {"spec": {"replicas": pods}})
    release.wait_ready(component, pods)
