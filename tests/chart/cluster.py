"""What the tests ask of a Kubernetes API server."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from coupons.errors import CouponError

APPLY = "application/apply-patch+yaml"
ZONES = ("a", "b", "c")
Object = dict[str, Any]


class RefusedError(CouponError):
    """What the API server answered to what it did not take. code: its HTTP status."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


@dataclass
class Cluster:
    """The API server as a client sees it. kubeconfig: the file that programs take."""

    url: str
    kubeconfig: Path
    http: requests.Session
    _paths: dict[tuple[str, str], tuple[str, bool]] = field(default_factory=dict)

    def apply(self, thing: Object, namespace: str, *, dry_run: bool = False) -> requests.Response:
        """Server-side apply with strict fields. Raises RefusedError."""
        options = {"fieldManager": "tests", "fieldValidation": "Strict", "force": "true"}
        path = self._path_of(thing["apiVersion"], thing["kind"], namespace)
        return self.ask(
            "PATCH",
            f"{path}/{thing['metadata']['name']}",
            json.dumps(thing),
            APPLY,
            **options | ({"dryRun": "All"} if dry_run else {}),
        )

    def get(self, api: str, kind: str, namespace: str, name: str) -> Any:
        """One object. Raises RefusedError."""
        return self.ask("GET", f"{self._path_of(api, kind, namespace)}/{name}").json()

    def all(self, api: str, kind: str, namespace: str, **options: str) -> list[Any]:
        """All objects of a kind."""
        path = self._path_of(api, kind, namespace)
        found: list[Any] = self.ask("GET", path, **options).json()["items"]
        return found

    def patch(self, path: str, change: Object) -> None:
        self.ask("PATCH", path, json.dumps(change), "application/merge-patch+json")

    def evict(self, pod: str, namespace: str) -> None:
        """As a drain of its node does. Raises RefusedError when a disruption budget forbids it."""
        body = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": pod, "namespace": namespace},
        }
        path = f"/api/v1/namespaces/{namespace}/pods/{pod}/eviction"
        self.ask("POST", path, json.dumps(body), "application/json")

    def cordon(self, *, closed: bool) -> None:
        """No pod gets a node; or, open, pods get one again."""
        for zone in ZONES:
            self.patch(f"/api/v1/nodes/node-{zone}", {"spec": {"unschedulable": closed}})

    def make_namespace(self, name: str) -> None:
        """One that enforces pod security `restricted`, and warns of objects that make such pods."""
        labels = {
            f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")
        }
        thing = {"apiVersion": "v1", "kind": "Namespace"}
        self.apply({**thing, "metadata": {"name": name, "labels": labels}}, "")

    def ask(
        self, method: str, path: str, body: str = "", kind: str = "", **options: str
    ) -> requests.Response:
        headers = {"Content-Type": kind} if kind else {}
        answer = self.http.request(
            method, self.url + path, params=options, data=body, headers=headers, timeout=30
        )
        if not answer.ok:
            raise RefusedError(answer.text, answer.status_code)
        return answer

    def _path_of(self, api: str, kind: str, namespace: str) -> str:
        if (api, kind) not in self._paths:
            root = f"/api/{api}" if "/" not in api else f"/apis/{api}"
            for each in self.ask("GET", root).json()["resources"]:
                if "/" not in each["name"]:
                    found = (f"{root}/{{}}{each['name']}", each["namespaced"])
                    self._paths[api, each["kind"]] = found
        if (api, kind) not in self._paths:
            raise RefusedError(f"no kind {kind} in {api}", 404)
        path, in_namespace = self._paths[api, kind]
        return path.format(f"namespaces/{namespace}/" if in_namespace else "")


def ready(things: Iterable[Any]) -> list[str]:
    """The names of the pods that are ready and do not end."""
    return sorted(
        each["metadata"]["name"]
        for each in things
        if "deletionTimestamp" not in each["metadata"] and ("Ready", "True") in conditions(each)
    )


def conditions(thing: Any) -> list[tuple[str, str]]:
    """The conditions of an object's status, by type; a new object may have none."""
    listed = thing.get("status", {}).get("conditions") or []
    return [(each["type"], each["status"]) for each in listed]
