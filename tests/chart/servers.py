"""A Kubernetes cluster without containers: a real API server, its controllers, nodes by kwok."""

import json
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import requests
import yaml
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from coupons.waiting import eventually
from stack.ports import free_ports
from tests.chart.cluster import ZONES, Cluster, conditions

TOKEN = "of-the-tests"
_STOP_S = 20.0


@contextmanager
def api_server(programs: Path, folder: Path) -> Iterator[Cluster]:
    """An API server and its store, with the CRDs of the operators."""
    ports = free_ports(["etcd", "peer", "api"])
    key = folder / "sa.key"
    key.write_bytes(_private_key())
    (folder / "tokens.csv").write_text(f'{TOKEN},tests,tests,"system:masters"\n')
    etcd, peer = (f"http://127.0.0.1:{ports[name]}" for name in ("etcd", "peer"))
    store = (
        f"etcd --data-dir={folder}/etcd --listen-client-urls={etcd} --advertise-client-urls={etcd}"
        f" --listen-peer-urls={peer} --initial-advertise-peer-urls={peer}"
        f" --initial-cluster=default={peer} --unsafe-no-fsync --log-level=warn"
    )
    # No pod runs: nothing has to reach the API server by the address that it advertises.
    server = (
        f"kube-apiserver --etcd-servers={etcd} --secure-port={ports['api']}"
        " --bind-address=127.0.0.1 --advertise-address=10.255.255.1"
        " --endpoint-reconciler-type=none --service-cluster-ip-range=10.96.0.0/16"
        f" --service-account-key-file={key} --service-account-signing-key-file={key}"
        " --service-account-issuer=https://kubernetes.default.svc"
        f" --token-auth-file={folder}/tokens.csv --cert-dir={folder}/certs"
    )
    with ExitStack() as running, requests.Session() as http:
        running.enter_context(started(programs, store, folder))
        running.enter_context(started(programs, server, folder))
        http.headers["Authorization"] = f"Bearer {TOKEN}"
        http.verify = str(folder / "certs" / "apiserver.crt")
        http.trust_env = False
        cluster = Cluster(f"https://127.0.0.1:{ports['api']}", _kubeconfig(folder, ports), http)
        eventually(lambda: cluster.ask("GET", "/readyz").ok, within_s=90)
        _install_crds(cluster, sorted((programs / "crds").glob("*.yaml")))
        yield cluster


@contextmanager
def controllers(programs: Path, cluster: Cluster, folder: Path) -> Iterator[None]:
    """Controllers, a scheduler, and three nodes in as many zones, on which every pod runs."""
    stages = " ".join(f"--config={file}" for file in (programs / "stages").iterdir())
    of_cluster = f"--kubeconfig={cluster.kubeconfig}"
    alone = f"{of_cluster} --leader-elect=false --secure-port=0"
    commands = [
        f"kube-controller-manager {alone} --service-account-private-key-file={folder}/sa.key",
        f"kube-scheduler {alone}",
        f"kwok {of_cluster} --manage-all-nodes --node-lease-duration-seconds=40 {stages}",
    ]
    with ExitStack() as running:
        for command in commands:
            running.enter_context(started(programs, command, folder))
        for zone in ZONES:
            labels = {"kubernetes.io/hostname": f"node-{zone}", "topology.kubernetes.io/zone": zone}
            metadata = {"name": f"node-{zone}", "labels": {**labels, "kubernetes.io/os": "linux"}}
            cluster.apply({"apiVersion": "v1", "kind": "Node", "metadata": metadata}, "")
        eventually(lambda: all(map(_is_usable, cluster.all("v1", "Node", ""))), within_s=60)
        yield


@contextmanager
def started(programs: Path, command: str, folder: Path) -> Iterator[None]:
    """A server with its log in a folder; it ends with this context, or with these tests."""
    name, *arguments = command.split()
    with (folder / f"{name}.log").open("ab") as log:
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig=KILL", str(programs / name), *arguments],
            stdout=log,
            stderr=log,
            env={"HOME": str(folder)},
        )
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _is_usable(node: Any) -> bool:
    return ("Ready", "True") in conditions(node) and not node["spec"].get("taints")


def _install_crds(cluster: Cluster, files: Sequence[Path]) -> None:
    for file in files:
        # YAML 1.1 has a meaning for a single `=` that nobody uses.
        text = file.read_text("utf-8").replace("- =\n", '- "="\n')
        for crd in yaml.load_all(text, yaml.CSafeLoader):
            crd.pop("status", None)
            cluster.apply(crd, "")
    api, kind = "apiextensions.k8s.io/v1", "CustomResourceDefinition"
    eventually(
        lambda: all(("Established", "True") in conditions(x) for x in cluster.all(api, kind, "")),
        within_s=30,
    )


def _kubeconfig(folder: Path, ports: dict[str, int]) -> Path:
    server = {
        "server": f"https://127.0.0.1:{ports['api']}",
        "certificate-authority": str(folder / "certs" / "apiserver.crt"),
    }
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "tests",
        "clusters": [{"name": "tests", "cluster": server}],
        "users": [{"name": "tests", "user": {"token": TOKEN}}],
        "contexts": [{"name": "tests", "context": {"cluster": "tests", "user": "tests"}}],
    }
    file = folder / "kubeconfig"
    file.write_text(json.dumps(content))
    return file


def _private_key() -> bytes:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
