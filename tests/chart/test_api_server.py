"""The chart on a real API server: what it takes, what it refuses, and releases by helm."""

import json
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from tests.chart.cluster import Cluster, RefusedError
from tests.chart.conftest import FILES, RELEASE, Objects, one, pods
from tests.chart.release import Release, image_of
from tests.chart.spoilt import SPOILT
from tests.chart.test_rendered import REFUSED

pytestmark = pytest.mark.xdist_group("kubernetes")
Rendered = Callable[..., Objects]
OLD, NEW = "coupon-cdc:0.2.0", "coupon-cdc:0.3.0"
TO_NEW = "--set=image.tag=0.3.0"


@pytest.mark.parametrize("name", FILES)
def test_the_server_takes_every_object_and_warns_of_none(
    rendered: Rendered, api: Cluster, namespace: str, name: str
) -> None:
    """Of no pod that is not *restricted*, no deprecated version, no unknown field."""
    for each in rendered(name) + rendered(name, "--is-upgrade"):
        answer = api.apply(each, namespace, dry_run=True)
        assert "Warning" not in answer.headers, (each["metadata"]["name"], answer.headers)


@pytest.mark.parametrize("spoil", SPOILT)
def test_the_server_refuses_a_wrong_object(
    rendered: Rendered, api: Cluster, namespace: str, spoil: Callable[[Objects], None]
) -> None:
    objects: Objects = json.loads(json.dumps(rendered("everything")))
    spoil(objects)
    refused = []
    for each in objects:
        try:
            api.apply(each, namespace, dry_run=True)
        except RefusedError as error:
            refused.append((each["kind"], str(error)))
    assert len(refused) == 1, refused


def _as_pods(objects: Objects) -> dict[str, Any]:
    """A Pod of each workload."""
    return {
        name: {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}
        for name, spec in pods(objects).items()
    }


@pytest.mark.parametrize("name", FILES)
def test_every_pod_is_admitted_where_restricted_is_enforced(
    rendered: Rendered, api: Cluster, namespace: str, name: str
) -> None:
    high = {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "value": 1000}
    api.apply({**high, "metadata": {"name": "high"}}, "")
    objects = rendered(name)
    for each in objects:
        if each["kind"] == "ServiceAccount":
            api.apply(each, namespace)
    for pod in _as_pods(objects).values():
        assert "Warning" not in api.apply(pod, namespace, dry_run=True).headers


LOOSENED: list[tuple[str, Callable[[Any], object]]] = [
    ("runAsNonRoot", lambda pod: pod["securityContext"].pop("runAsNonRoot")),
    ("runAsUser=0", lambda pod: pod["securityContext"].update(runAsUser=0)),
    ("seccompProfile", lambda pod: pod["securityContext"].pop("seccompProfile")),
    ("unrestricted capabilities", lambda pod: _security(pod).pop("capabilities")),
    ("allowPrivilegeEscalation", lambda pod: _security(pod).pop("allowPrivilegeEscalation")),
    (
        "restricted volume types",
        lambda pod: pod["volumes"].append({"name": "host", "hostPath": {"path": "/"}}),
    ),
]


def _security(pod: Any) -> Any:
    return pod["containers"][0]["securityContext"]


@pytest.mark.parametrize(("reason", "loosen"), LOOSENED)
def test_a_pod_that_may_do_more_is_refused(
    rendered: Rendered,
    api: Cluster,
    namespace: str,
    reason: str,
    loosen: Callable[[Any], object],
) -> None:
    """So that the test above means something: this server does enforce the level."""
    account = one(rendered("minimal"), "ServiceAccount", f"{RELEASE}-api")
    api.apply(account, namespace)
    pod = json.loads(json.dumps(_as_pods(rendered("minimal"))[f"{RELEASE}-api"]))
    loosen(pod["spec"])
    with pytest.raises(RefusedError, match="violates PodSecurity") as refused:
        api.apply(pod, namespace, dry_run=True)
    assert refused.value.code == 403
    assert reason in str(refused.value)


def test_a_release_is_installed_upgraded_rolled_back_and_removed(
    rendered: Rendered, release: Release
) -> None:
    """Without hooks, which need nodes. Topics stay; so the records in them do."""
    release.install("everything", "--no-hooks")
    wanted = {
        (each["kind"], each["metadata"]["name"])
        for each in rendered("everything")
        if each["kind"] != "KafkaNodePool"
    }
    assert release.objects().keys() == wanted
    assert image_of(release.get("Deployment", "api")) == OLD
    release.upgrade("everything", "--no-hooks", TO_NEW)
    images = {image_of(release.get("StatefulSet", name)) for name in ("consumer", "reconciler")}
    assert images | {image_of(release.get("Deployment", "api"))} == {NEW}
    release.run("rollback", "1", "--no-hooks")
    assert image_of(release.get("Deployment", "api")) == OLD
    assert image_of(release.get("StatefulSet", "consumer")) == OLD
    assert release.revision() == (3, "deployed")
    release.run("uninstall", "--no-hooks")
    assert {kind for kind, _name in release.objects()} == {"KafkaTopic"}


def _contents(release: Release) -> dict[tuple[str, str], Any]:
    """Without metadata and status, which controllers of other tests write."""
    own = ("metadata", "status")
    return {
        key: {name: value for name, value in each.items() if name not in own}
        for key, each in release.objects().items()
    }


def test_values_that_are_refused_leave_every_object_as_it_is(release: Release) -> None:
    release.install("minimal", "--no-hooks")
    before = _contents(release)
    for changes, message in REFUSED:
        values = [f"--set={name}={value}" for name, value in changes.items()]
        with pytest.raises(subprocess.CalledProcessError) as raised:
            release.upgrade("minimal", "--no-hooks", TO_NEW, *values)
        assert message in raised.value.stderr
    assert _contents(release) == before
    assert release.revision() == (1, "deployed")
