"""Writes `artifacts.json` from `versions.toml`: `python -m stack.lock` (needs `mvn`)."""

import dataclasses
import hashlib
import json
import re
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from stack.artifacts import PLATFORMS, Artifact
from stack.maven import fetch
from stack.versions import versions

_RESOLVED = re.compile(r"^\s+([\w.-]+):([\w.-]+):jar:([\w.-]+):(?:compile|runtime)", re.MULTILINE)
# Connect gives these classes to every plugin, and the connector does not use JSON Schema.
_NOT_IN_PLUGINS = (
    "org.apache.kafka:*",
    "org.slf4j:*",
    "io.apicurio:apicurio-registry-serdes-jsonschema-serde",
)


def _roots() -> dict[str, list[str]]:
    """The artifacts to resolve (group:artifact:version) by bundle, without their dependencies."""
    v = versions()
    kafka = [f"kafka_{v['scala']}", "kafka-tools", "kafka-clients", "connect-runtime"]
    kafka += ["connect-json", "connect-transforms"]
    return {
        "kafka": [
            *(f"org.apache.kafka:{name}:{v['kafka']}" for name in kafka),
            f"org.apache.logging.log4j:log4j-slf4j-impl:{v['log4j']}",
            f"org.apache.logging.log4j:log4j-core:{v['log4j']}",
        ],
        "plugins": [
            f"io.debezium:debezium-connector-postgres:{v['debezium']}",
            f"io.apicurio:apicurio-registry-utils-converter:{v['converter']}",
        ],
    }


def _pom(roots: list[str]) -> str:
    def tags(coordinate: str) -> str:
        names = ("groupId", "artifactId", "version")
        pairs = zip(names, coordinate.split(":"), strict=False)
        return "".join(f"<{name}>{value}</{name}>" for name, value in pairs)

    exclusions = "".join(f"<exclusion>{tags(each)}</exclusion>" for each in _NOT_IN_PLUGINS)
    dependencies = "".join(
        f"<dependency>{tags(root)}"
        + ("" if root.startswith("org.apache.kafka") else f"<exclusions>{exclusions}</exclusions>")
        + "</dependency>"
        for root in roots
    )
    return (
        "<project><modelVersion>4.0.0</modelVersion>"
        f"{tags('coupon:stack:1')}<dependencies>{dependencies}</dependencies></project>"
    )


def _with_dependencies(bundle: str, roots: list[str], folder: Path) -> list[Artifact]:
    (folder / "pom.xml").write_text(_pom(roots))
    listing = folder / "resolved.txt"
    command = ["mvn", "-B", "-q", "dependency:list", "-DincludeScope=runtime"]
    subprocess.run([*command, f"-DoutputFile={listing}"], cwd=folder, check=True)
    found = sorted(_RESOLVED.findall(listing.read_text()))
    return [
        Artifact(bundle, group, name, version, "", "jar", 0, "") for group, name, version in found
    ]


def _archives() -> list[Artifact]:
    v = versions()
    group, name = "io.zonky.test.postgres", "embedded-postgres-binaries"
    version = f"{v['postgres']}.0"
    postgres = [
        Artifact(f"postgres-{each}", group, f"{name}-{each}", version, "", "jar", 0, "")
        for each in PLATFORMS
    ]
    registry = ("io.apicurio", "apicurio-registry-app", v["registry"], "all", "tar.gz")
    return [Artifact("registry", *registry, 0, ""), *postgres]


def main() -> None:
    """Resolves, downloads and hashes everything, then replaces the list."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        wanted = _archives()
        for bundle, roots in _roots().items():
            wanted += _with_dependencies(bundle, roots, folder)

        def measured(artifact: Artifact) -> Artifact:
            content = fetch(artifact, folder / artifact.bundle, lambda _count: None).read_bytes()
            digest = hashlib.sha256(content).hexdigest()
            return dataclasses.replace(artifact, size=len(content), sha256=digest)

        with ThreadPoolExecutor(8) as pool:
            locked = list(pool.map(measured, wanted))
    entries = ",\n".join(json.dumps(dataclasses.asdict(each)) for each in locked)
    Path(__file__).with_name("artifacts.json").write_text(f"[\n{entries}\n]\n")


if __name__ == "__main__":
    main()
