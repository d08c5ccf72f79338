"""A release of the chart in a cluster."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coupons.waiting import eventually
from docs.make.chart import CHART
from tests.chart.cluster import Cluster, ready

VALUES = Path(__file__).with_name("values")
KINDS = {
    "v1": ("ConfigMap", "Service", "ServiceAccount"),
    "apps/v1": ("Deployment", "StatefulSet"),
    "batch/v1": ("Job",),
    "networking.k8s.io/v1": ("NetworkPolicy", "Ingress"),
    "policy/v1": ("PodDisruptionBudget",),
    "autoscaling/v2": ("HorizontalPodAutoscaler",),
    "kafka.strimzi.io/v1": ("Kafka", "KafkaConnect", "KafkaConnector", "KafkaTopic"),
    "postgresql.cnpg.io/v1": ("Cluster",),
    "monitoring.coreos.com/v1": ("PodMonitor", "PrometheusRule"),
}
"""Every kind of which the chart makes objects, but KafkaNodePool."""


@dataclass(frozen=True)
class Release:
    """A release and its namespace."""

    helm: Callable[..., str]
    cluster: Cluster
    namespace: str
    name: str

    def run(self, command: str, *arguments: str) -> str:
        """A command of helm on this release. Raises CalledProcessError."""
        of_cluster = (f"--namespace={self.namespace}", f"--kubeconfig={self.cluster.kubeconfig}")
        return self.helm(command, self.name, *arguments, *of_cluster)

    def install(self, values: str, *arguments: str) -> str:
        return self.run("install", str(CHART), "-f", str(VALUES / f"{values}.yaml"), *arguments)

    def upgrade(self, values: str, *arguments: str) -> str:
        return self.run("upgrade", str(CHART), "-f", str(VALUES / f"{values}.yaml"), *arguments)

    def revision(self) -> tuple[int, str]:
        """The number of the newest revision, and its status."""
        newest = json.loads(self.run("history", "-o", "json"))[-1]
        return newest["revision"], newest["status"]

    def objects(self) -> dict[tuple[str, str], Any]:
        """All of its objects that the server has, by kind and name."""
        return {
            (kind, each["metadata"]["name"]): each
            for api, kinds in KINDS.items()
            for kind in kinds
            for each in self.cluster.all(api, kind, self.namespace)
            if each["metadata"]["name"] not in ("default", "kube-root-ca.crt")
        }

    def get(self, kind: str, component: str) -> Any:
        """One object as the server has it now."""
        [api] = [api for api, kinds in KINDS.items() if kind in kinds]
        return self.cluster.get(api, kind, self.namespace, f"{self.name}-{component}")

    def pods(self, component: str) -> list[Any]:
        """Its pods of one kind."""
        label = f"app.kubernetes.io/component={component}"
        return self.cluster.all("v1", "Pod", self.namespace, labelSelector=label)

    def ready(self, component: str) -> list[str]:
        """The names of those that are ready."""
        return ready(self.pods(component))

    def wait_ready(self, component: str, pods: int) -> list[str]:
        """Wait until so many are ready, and return their names."""
        eventually(lambda: len(self.ready(component)) == pods, within_s=60, what=component)
        return self.ready(component)


def image_of(workload: Any) -> str:
    """The image of the only container of a workload's pods."""
    [container] = workload["spec"]["template"]["spec"]["containers"]
    image: str = container["image"]
    return image
