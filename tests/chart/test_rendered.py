"""What helm makes of the chart: what a pod gets, and what is refused."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import certifi
import pytest

from api.settings import ApiSettings
from cdc_consumer.settings import ConsumerSettings
from coupons.process.settings import ProcessSettings, load_settings
from coupons.receipts import new_private_key
from docs.make.chart import CHART
from monitor.settings import MonitorSettings
from reconciler.settings import ReconcilerSettings
from tests.chart.conftest import FILES, RELEASE, VALUES, Objects, one, pods, secrets_of

Rendered = Callable[..., Objects]
Helm = Callable[..., str]
SETTINGS: dict[str, type[ProcessSettings]] = {
    "api": ApiSettings,
    "consumer": ConsumerSettings,
    "reconciler": ReconcilerSettings,
    "monitor": MonitorSettings,
}
OF_MAKE_SECRETS = {
    *("coupon_owner", "coupon_api", "coupon_consumer", "coupon_reconciler", "coupon_monitor"),
    *("coupon_ops", "coupon_cdc", "coupon_registry", "jwt.key", "monitor-link.key"),
    "operator.service",
}


@pytest.mark.parametrize("name", FILES)
def test_helm_finds_no_fault_in_the_chart(helm: Helm, name: str) -> None:
    printed = helm("lint", str(CHART), "--strict", "-f", str(VALUES / f"{name}.yaml"))
    assert "[ERROR]" not in printed
    assert "[WARNING]" not in printed


def _mount(pod: dict[str, Any], root: Path) -> None:
    """Write the files that the pod's Secrets give it, below another root."""
    volumes = {each["name"]: each for each in pod["volumes"]}
    for mount in pod["containers"][0]["volumeMounts"]:
        folder = root / mount["mountPath"].lstrip("/")
        folder.mkdir(parents=True, exist_ok=True)
        for item in volumes[mount["name"]].get("secret", {}).get("items", []):
            if item["path"].endswith(".crt"):
                shutil.copyfile(certifi.where(), folder / item["path"])
            else:
                (folder / item["path"]).write_text(new_private_key())


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("process", sorted(SETTINGS))
def test_each_process_starts_with_the_settings_that_it_gets(
    rendered: Rendered, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, process: str
) -> None:
    """Its settings class takes them, and finds each file that they name, as when it starts."""
    pod = pods(rendered(name)).get(f"{RELEASE}-{process}")
    assert pod is not None or (name, process) == ("external", "monitor")
    if pod is None:
        return
    _mount(pod, tmp_path)
    [container] = pod["containers"]
    of_secrets = {"COUPON_REDIS_URL": "redis://redis:6379/0", "COUPON_MONITOR_LINK_KEY": "k" * 32}
    for each in container["env"]:
        value = each.get("value", of_secrets.get(each["name"], "secret"))
        monkeypatch.setenv(each["name"], value.replace("/etc/coupon", f"{tmp_path}/etc/coupon"))
    settings = load_settings(SETTINGS[process])
    files = [
        each["value"].replace("/etc", f"{tmp_path}/etc")
        for each in container["env"]
        if each.get("value", "").startswith("/etc/")
    ]
    assert settings.redis_url.get_secret_value().startswith("redis")
    assert [file for file in files if not Path(file).exists()] == []


@pytest.mark.parametrize("name", FILES)
def test_every_pod_keeps_to_the_restricted_level_of_pod_security(
    rendered: Rendered, name: str
) -> None:
    """And has no token of the API server, no file system to write to, and no limit left out."""
    for owner, pod in pods(rendered(name)).items():
        assert pod["automountServiceAccountToken"] is False, owner
        assert pod["securityContext"]["runAsNonRoot"] is True, owner
        assert pod["securityContext"]["runAsUser"] > 0, owner
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, owner
        [container] = pod["containers"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }, owner
        assert container["resources"]["limits"]["memory"], owner
        assert container["resources"]["requests"].keys() == {"cpu", "memory"}, owner
        assert not [each for each in pod.get("volumes", []) if "hostPath" in each], owner


@pytest.mark.parametrize("name", FILES)
def test_no_service_sets_variables_in_a_pod(rendered: Rendered, name: str) -> None:
    """The Service of a release named `coupon` would set COUPON_API_PORT=tcp://10.0.0.1:80."""
    assert {pod["enableServiceLinks"] for pod in pods(rendered(name)).values()} == {False}


def test_an_api_leaves_the_service_before_it_refuses(rendered: Rendered) -> None:
    """It drains longer than its probe needs to fail, and is killed long after it has stopped."""
    pod = pods(rendered("minimal"))[f"{RELEASE}-api"]
    [container] = pod["containers"]
    probe = container["readinessProbe"]
    [port] = [each for each in container["ports"] if each["name"] == probe["httpGet"]["port"]]
    [drain] = [
        float(each["value"])
        for each in container["env"]
        if each["name"] == "COUPON_API_DRAIN_SECONDS"
    ]
    assert (port["containerPort"], probe["httpGet"]["path"]) == (9300, "/readyz")
    assert drain > probe["periodSeconds"] * probe["failureThreshold"]
    assert pod["terminationGracePeriodSeconds"] >= drain + 15


def test_a_consumer_keeps_its_name_and_the_monitor_asks_each(rendered: Rendered) -> None:
    objects = rendered("minimal")
    consumer = one(objects, "StatefulSet", f"{RELEASE}-consumer")
    [container] = consumer["spec"]["template"]["spec"]["containers"]
    named = {each["name"]: each for each in container["env"]}["COUPON_CONSUMER_INSTANCE_ID"]
    assert named["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.name"
    [watcher] = pods(objects)[f"{RELEASE}-monitor"]["containers"]
    urls = {each["name"]: each.get("value") for each in watcher["env"]}["COUPON_CONSUMER_URLS"]
    service = consumer["spec"]["serviceName"]
    assert urls.split(",") == [
        f"http://{RELEASE}-consumer-{number}.{service}:9100" for number in range(3)
    ]
    assert one(objects, "Service", service)["spec"]["clusterIP"] == "None"


def test_migrating_comes_before_everything_else(rendered: Rendered) -> None:
    hooks = one(rendered("minimal"), "Job", f"{RELEASE}-migrate")["metadata"]["annotations"]
    assert hooks["helm.sh/hook"] == "pre-install,pre-upgrade"
    account = one(rendered("minimal"), "ServiceAccount", f"{RELEASE}-migrate")
    assert int(account["metadata"]["annotations"]["helm.sh/hook-weight"]) < int(
        hooks["helm.sh/hook-weight"]
    )


def test_the_first_migration_waits_for_a_postgres_of_the_chart(rendered: Rendered) -> None:
    """A hook would wait for a Postgres that is made after it. From then on it is a hook."""
    first = one(rendered("everything"), "Job", f"{RELEASE}-migrate-first")
    assert "annotations" not in first["metadata"]
    later = one(rendered("everything", "--is-upgrade"), "Job", f"{RELEASE}-migrate")
    assert later["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"


def test_secrets_are_only_referred_to(rendered: Rendered) -> None:
    """Those of the first install are all made by `compose/make-secrets`."""
    for name in FILES:
        assert "Secret" not in {each["kind"] for each in rendered(name)}
    own = {key for secret, key in secrets_of(rendered("everything")) if secret == "coupon-secrets"}
    assert own == OF_MAKE_SECRETS
    assert "coupon-secrets" not in {name for name, _key in secrets_of(rendered("external"))}


REFUSED = [
    ({"redis.url": ""}, "no Redis: set one of redis.url, redis.urlSecret.name, redis.valkey"),
    ({"postgres.cnpg.enabled": "true"}, "postgres.cnpg.enabled and postgres.host are both set"),
    ({"kafka.strimzi.enabled": "true"}, "and there is one Kafka: unset one"),
    ({"postgres.superuser.secret": ""}, "postgres.superuser.secret is empty: name the Secret"),
    ({"jwt.keySets": "a=https://a.example"}, "jwt.key.name and jwt.keySets are both set"),
    ({"kafka.protocol": "SASL_SSL"}, "set kafka.saslUser and kafka.saslPassword.name"),
    ({"kafka.saslUser": "me"}, "kafka.protocol is PLAINTEXT: set it to SASL_SSL"),
    ({"connect.url": "", "connect.strimzi.enabled": "true"}, "registry.connectUrl is empty"),
    ({"redis.url": "redis://:p@r:6380/0"}, "port 6380, which networkPolicy.redisPorts lacks"),
    ({"kafka.bootstrapServers": r"a:9092\,b:9094"}, "9094, which networkPolicy.kafkaPorts lacks"),
    ({"tracing.sampleRatio": "1"}, "tracing.sampleRatio needs tracing.endpoint"),
    ({"api.ingress.enabled": "true"}, "api.ingress.host is empty"),
    ({"api.autoscaling.maxReplicas": "1"}, "maxReplicas (1) is below minReplicas (2)"),
    ({"api.env.COUPON_API_PORT": "81"}, "api.env: the chart sets COUPON_API_PORT itself"),
    ({"api.env.PATH": "x"}, "PATH"),
    ({"consumer.replicas": "11"}, "/consumer/replicas"),
    ({"api.drainSeconds": "1"}, "/api/drainSeconds"),
    ({"api.replica": "3"}, "additional properties 'replica' not allowed"),
    ({"postgres.port": "many"}, "/postgres/port"),
    ({"image.digest": "latest"}, "/image/digest"),
]


@pytest.mark.parametrize(("changes", "message"), REFUSED)
def test_values_that_are_wrong_are_refused_with_the_reason(
    helm: Helm, changes: dict[str, str], message: str
) -> None:
    values = [f"--set={name}={value}" for name, value in changes.items()]
    with pytest.raises(subprocess.CalledProcessError) as raised:
        helm("template", RELEASE, str(CHART), "-f", str(VALUES / "minimal.yaml"), *values)
    assert message in raised.value.stderr


def test_the_package_has_the_projects_own_files(helm: Helm, tmp_path: Any) -> None:
    """`helm package` follows the links."""
    import tarfile

    helm("package", str(CHART), "--destination", str(tmp_path))
    [package] = tmp_path.glob("*.tgz")
    with tarfile.open(package) as archive:
        for file in (CHART / "files").iterdir():
            packed = archive.extractfile(f"coupon-cdc/files/{file.name}")
            assert packed is not None, file.name
            assert packed.read() == file.read_bytes(), file.name
