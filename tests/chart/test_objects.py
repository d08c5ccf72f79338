"""The objects of the chart as a server would check them, and what they take from the project."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from connectors.events import EVENTS_FILE
from connectors.register import CONNECTOR_FILE
from docs.make.chart import CHART
from tests.chart.conftest import FILES, RELEASE, Objects, one
from tests.chart.spoilt import SPOILT

Rendered = Callable[..., Objects]
Conform = Callable[[Objects], list[dict[str, str]]]
TEMPLATE = "{{.ResourceKind}}-{{.Group}}-{{.ResourceAPIVersion}}.json"


@pytest.fixture(scope="module")
def conform(tools: Path, tmp_path_factory: pytest.TempPathFactory) -> Conform:
    """What kubeconform finds wrong, with the schemas of Kubernetes and of the operators."""
    folder = tmp_path_factory.mktemp("objects")

    def check(objects: Objects) -> list[dict[str, str]]:
        file = folder / "objects.yaml"
        file.write_text(yaml.dump_all(objects, Dumper=yaml.CSafeDumper))
        schemas = f"{tools / 'schemas'}/{TEMPLATE}"
        command = [str(tools / "kubeconform"), "-output=json", "-schema-location", schemas]
        done = subprocess.run([*command, str(file)], capture_output=True, text=True)
        found: list[dict[str, str]] = json.loads(done.stdout)["resources"]
        assert found or done.returncode == 0, done
        return found

    return check


@pytest.mark.parametrize("name", FILES)
def test_every_object_is_one_that_its_server_takes(
    rendered: Rendered, conform: Conform, name: str
) -> None:
    """At the first install and at every upgrade."""
    assert conform(rendered(name) + rendered(name, "--is-upgrade")) == []


@pytest.mark.parametrize("spoil", SPOILT)
def test_a_wrong_object_is_found(
    rendered: Rendered, conform: Conform, spoil: Callable[[Objects], None]
) -> None:
    objects: Objects = json.loads(json.dumps(rendered("everything")))
    spoil(objects)
    assert len(conform(objects)) == 1


@pytest.mark.parametrize("file", [CONNECTOR_FILE, EVENTS_FILE])
def test_a_connector_of_strimzi_is_the_projects_file(rendered: Rendered, file: Path) -> None:
    connector = json.loads(file.read_text("utf-8"))
    made = one(rendered("everything"), "KafkaConnector", connector["name"])["spec"]
    whole: dict[str, Any] = {
        "connector.class": made["class"],
        "tasks.max": str(made["tasksMax"]),
        **made["config"],
    }
    # `coupon events start` makes this slot elsewhere; here Debezium has to.
    failover = whole.pop("slot.failover", None)
    assert whole == connector["config"]
    assert failover == ("true" if file == EVENTS_FILE else None)


def test_topics_are_made_before_a_connector_writes_to_them(rendered: Rendered) -> None:
    topics = json.loads((CHART / "files" / "topics.json").read_text("utf-8"))
    made = {
        each["spec"]["topicName"]: each["spec"]
        for each in rendered("everything")
        if each["kind"] == "KafkaTopic"
    }
    kept = [
        each["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
        for each in rendered("everything")
        if each["kind"] == "KafkaTopic"
    ]
    assert all(kept)
    assert {name: spec["partitions"] for name, spec in made.items()} == {
        topic["name"]: topic["partitions"] for topic in topics
    }


def test_a_slot_survives_a_failover_of_postgres(rendered: Rendered) -> None:
    spec = one(rendered("everything"), "Cluster", f"{RELEASE}-postgres")["spec"]
    assert spec["replicationSlots"]["highAvailability"]["synchronizeLogicalDecoding"] is True
    assert spec["postgresql"]["synchronous"]["number"] == 1
    single = rendered("everything", "--set=postgres.cnpg.instances=1")
    assert "synchronous" not in one(single, "Cluster", f"{RELEASE}-postgres")["spec"]["postgresql"]


def test_alerts_and_dashboards_are_the_projects_own(rendered: Rendered) -> None:
    objects = rendered("everything")
    rules = (CHART / "files" / "alerts.yml").read_text("utf-8")
    linked = yaml.safe_load(rules.replace("{{ $externalLabels.docs }}", "https://docs.example"))
    assert one(objects, "PrometheusRule", f"{RELEASE}-alerts")["spec"] == linked
    boards = one(objects, "ConfigMap", f"{RELEASE}-dashboards")["data"]
    for name in ("pipeline", "sale", "servers"):
        assert boards[f"{name}.json"] == (CHART / "files" / f"{name}.json").read_text("utf-8")


def test_the_jobs_of_metrics_are_those_of_the_alerts(rendered: Rendered) -> None:
    targets = (CHART.parents[1] / "compose/monitoring/targets.yml").read_text("utf-8")
    wanted = {target["labels"]["job"] for target in yaml.safe_load(targets)}
    monitors = [each for each in rendered("everything") if each["kind"] == "PodMonitor"]
    assert {
        relabeling["replacement"]
        for each in monitors
        for endpoint in each["spec"]["podMetricsEndpoints"]
        for relabeling in endpoint["relabelings"]
    } == wanted


def test_every_pod_has_a_network_policy_of_its_own(rendered: Rendered) -> None:
    """Which selects no other pod; without the policies, there is none."""
    objects = rendered("everything")
    selected = [
        each["spec"]["podSelector"]["matchLabels"].get("app.kubernetes.io/component")
        for each in objects
        if each["kind"] == "NetworkPolicy"
    ]
    made = {
        each["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/component"]
        for each in objects
        if each["kind"] in ("Deployment", "StatefulSet", "Job")
    }
    assert made <= set(selected)
    assert "NetworkPolicy" not in {each["kind"] for each in rendered("external")}


def test_brokers_of_strimzi_let_in_who_needs_them(rendered: Rendered) -> None:
    """They ask for no password: their policy is all that keeps others from the records."""
    components = {"consumer", "monitor", "ops", "connector"}
    other = {"podSelector": {"matchLabels": {"app": "mails"}}}
    file = "networkPolicy.kafkaFrom[0].podSelector.matchLabels.app=mails"
    made = one(rendered("everything", f"--set={file}"), "Kafka", RELEASE)
    [listener] = made["spec"]["kafka"]["listeners"]
    peers = listener["networkPolicyPeers"]
    assert peers.pop() == other
    labels = [each["podSelector"]["matchLabels"] for each in peers]
    assert labels.pop() == {"strimzi.io/cluster": RELEASE, "strimzi.io/kind": "KafkaConnect"}
    assert {each["app.kubernetes.io/component"] for each in labels} == components
    assert {each["app.kubernetes.io/instance"] for each in labels} == {RELEASE}
    open_to_all = one(rendered("everything", "--set=networkPolicy.enabled=false"), "Kafka", RELEASE)
    assert "networkPolicyPeers" not in open_to_all["spec"]["kafka"]["listeners"][0]


def test_nothing_that_is_watched_is_out_of_the_monitors_reach(rendered: Rendered) -> None:
    """The policy of each process lets in the monitor, and only on the port of its probes."""
    for component in ("api", "consumer", "reconciler"):
        policy = one(rendered("minimal"), "NetworkPolicy", f"{RELEASE}-{component}")
        rules = policy["spec"]["ingress"]
        [probes] = [rule for rule in rules if rule["ports"] == [{"port": "probes"}]]
        peers = [each["podSelector"]["matchLabels"] for each in probes["from"]]
        assert "monitor" in {each["app.kubernetes.io/component"] for each in peers}
        assert len(rules) == (2 if component == "api" else 1)
