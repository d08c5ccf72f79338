"""Files of the Helm chart, and its reference: from the schema of its values and the connectors."""

import json
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from connectors.events import EVENTS_FILE
from connectors.register import CONNECTOR_FILE, topics_of

CHART = Path(__file__).parents[2] / "deploy" / "chart"
WIDTH = 100

HEAD = """# Values of the Helm chart

How to install it: [Run it on Kubernetes](../how-to/kubernetes.md). A value that is wrong, or that
contradicts another one, is refused before anything changes.

*Generated from `deploy/chart/values.schema.json` by `make docs`, as `values.yaml` is. A test
compares them.*
"""


def schema() -> dict[str, Any]:
    """The schema of the values: the one file in which they are written down."""
    found: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text("utf-8"))
    return found


def leaves(node: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Each value below a node of the schema, by its path with dots."""
    for name, child in node["properties"].items():
        below = f"{path}.{name}".lstrip(".")
        if "properties" in child:
            yield from leaves(child, below)
        else:
            yield below, child


def render() -> str:
    """The page."""
    parts = [HEAD]
    for name, node in schema()["properties"].items():
        own = list(leaves(node, name)) if "properties" in node else [(name, node)]
        rows = [
            f"| `{path}` | {_shown(value['default'])} | {value['description']}{_choice(value)} |"
            for path, value in own
        ]
        said = textwrap.fill(f"{node['description']}.", WIDTH) + "\n"
        head = [f"\n## {name}\n", said if "properties" in node else ""]
        table = ["| value | default | holds |", "| --- | --- | --- |", *rows]
        parts.append("\n".join([*filter(None, head), *table]) + "\n")
    return "".join(parts)


def render_values() -> str:
    """values.yaml: each value with its default, below what it holds."""
    first = "# Generated from values.schema.json by `make docs`. Set what you change in a file of yours.\n"
    return first + "".join(_lines(schema(), ""))


def render_topics() -> str:
    """The topics that the connectors write to, for Kafka by Strimzi."""
    found = [
        {
            "name": topic.name,
            "partitions": topic.partitions,
            "settings": dict(topic.config),
            "events": events,
        }
        for file, events in ((CONNECTOR_FILE, False), (EVENTS_FILE, True))
        for topic in topics_of(json.loads(file.read_text("utf-8"))["config"])
    ]
    return "[\n" + ",\n".join(json.dumps(each) for each in found) + "\n]\n"


def _lines(node: dict[str, Any], indent: str) -> Iterator[str]:
    for name, child in node["properties"].items():
        yield f"{indent}# {child['description']}{_choice(child)}\n"
        if "properties" in child:
            yield f"{indent}{name}:\n"
            yield from _lines(child, indent + "  ")
        else:
            yield f"{indent}{name}: {json.dumps(child['default'])}\n"


def _choice(node: dict[str, Any]) -> str:
    return f": {', '.join(node['enum'])}" if "enum" in node else ""


def _shown(default: Any) -> str:
    return f"`{json.dumps(default)}`" if default not in ("", [], {}) else ""
