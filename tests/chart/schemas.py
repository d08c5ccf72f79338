"""JSON Schemas for kubeconform, from the API of Kubernetes and from CustomResourceDefinitions.

Unknown fields are refused, as a server does with strict validation.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

Schema = dict[str, Any]

KINDS = {
    *("ConfigMap", "Service", "ServiceAccount", "Deployment", "StatefulSet", "Job"),
    *("HorizontalPodAutoscaler", "PodDisruptionBudget", "NetworkPolicy", "Ingress"),
}
QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"
EITHER: Schema = {"anyOf": [{"type": "string"}, {"type": "integer"}]}
NUMBER: Schema = {"anyOf": [{"type": "string"}, {"type": "number"}]}


def file_name(kind: str, group: str, version: str) -> str:
    """The file of a kind, as kubeconform names it in `tests/chart/test_objects.py`."""
    return f"{kind}-{group or version}-{version}.json".lower()


def schemas_of_kubernetes(swagger: Schema) -> dict[str, Schema]:
    """The schemas of KINDS by file name."""
    definitions = swagger["definitions"]
    found = {}
    for name, definition in definitions.items():
        for each in definition.get("x-kubernetes-group-version-kind", []):
            if each["kind"] in KINDS:
                own = {used: _strict(definitions[used]) for used in _closure(name, definitions)}
                if QUANTITY in own:
                    own[QUANTITY] = NUMBER
                schema = {"$ref": f"#/definitions/{name}", "definitions": own}
                found[file_name(each["kind"], each["group"], each["version"])] = schema
    return found


def schemas_of_crds(files: Iterable[Path]) -> dict[str, Schema]:
    """The schemas of all versions by file name."""
    found = {}
    for file in files:
        # YAML 1.1 has a meaning for a single `=` that nobody uses.
        text = file.read_text("utf-8").replace("- =\n", '- "="\n')
        for crd in yaml.load_all(text, yaml.CSafeLoader):
            spec = crd["spec"]
            for version in spec["versions"]:
                schema = _strict(version["schema"]["openAPIV3Schema"])
                name = file_name(spec["names"]["kind"], spec["group"], version["name"])
                for own in ("apiVersion", "kind", "metadata"):
                    schema["properties"].setdefault(own, {})
                found[name] = schema
    return found


def _closure(name: str, definitions: Schema) -> set[str]:
    """The definitions that one refers to, directly or not, and itself."""
    found, waiting = set[str](), [name]
    while waiting:
        found.add(current := waiting.pop())
        waiting += set(_references(definitions[current])) - found
    return found


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"].rpartition("/")[2]
        for child in node.values():
            yield from _references(child)
    elif isinstance(node, list):
        for child in node:
            yield from _references(child)


def _strict(node: Any) -> Any:
    """The schema without unknown fields, and with `int-or-string` as JSON Schema says it."""
    if isinstance(node, list):
        return [_strict(each) for each in node]
    if not isinstance(node, dict):
        return node
    if node.get("format") == "int-or-string" or node.get("x-kubernetes-int-or-string") is True:
        return EITHER
    strict = {name: _strict(child) for name, child in node.items()}
    open_ended = {"additionalProperties", "x-kubernetes-preserve-unknown-fields"}
    is_object = isinstance(node.get("properties"), dict) and node.get("type") == "object"
    if is_object and not open_ended & node.keys():
        strict["additionalProperties"] = False
    return strict
