"""Mistakes in one object of the chart with the values `everything`."""

from tests.chart.conftest import RELEASE, Objects, one, pods


def misspell_a_probe(objects: Objects) -> None:
    [container] = pods(objects)[f"{RELEASE}-api"]["containers"]
    container["readyProbe"] = container.pop("readinessProbe")


def ask_for_old_strimzi(objects: Objects) -> None:
    one(objects, "KafkaConnector", "coupon-cdc")["apiVersion"] = "kafka.strimzi.io/v1beta2"


def count_tasks_in_words(objects: Objects) -> None:
    one(objects, "KafkaConnector", "coupon-cdc")["spec"]["tasksMax"] = "one"


def misspell_a_field_of_postgres(objects: Objects) -> None:
    one(objects, "Cluster", f"{RELEASE}-postgres")["spec"]["instance"] = 3


def monitor_no_port(objects: Objects) -> None:
    monitor = one(objects, "PodMonitor", f"{RELEASE}-api")
    monitor["spec"]["podMetricsEndpoints"] = [{"ports": "probes"}]


SPOILT = [
    misspell_a_probe,
    ask_for_old_strimzi,
    count_tasks_in_words,
    misspell_a_field_of_postgres,
    monitor_no_port,
]
