"""API, consumer and reconciler of one version, beside those of another on the same stack."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import requests
from prometheus_client.parser import text_string_to_metric_families

from stack.applications import application_parts
from stack.folder import StateFolder
from stack.lifecycle import bring_up, take_down
from stack.options import existing
from stack.parts import Part
from stack.ports import HOST, free_ports

API, CONSUMER, RECONCILER = "api", "consumer", "reconciler"

_WORK = {
    API: "coupon_api_requests_total",
    CONSUMER: "coupon_consumer_events_total",
    RECONCILER: "coupon_reconciler_passes_total",
}
"""What each counts."""


class Application:
    """The processes of one version. folder: of their logs."""

    def __init__(self, version: str, folder: StateFolder, parts: Mapping[str, Part]) -> None:
        self.version = version
        self._folder = folder
        self._parts = parts

    @property
    def url(self) -> str:
        """Of its API."""
        return f"http://{HOST}:{self._parts[API].ports['api']}"

    def start(self, kind: str) -> None:
        """Start the process, and wait until it is healthy."""
        bring_up(self._folder, [self._parts[kind]], [], lambda *_: None)

    def stop(self, *kinds: str) -> None:
        """Stop these in order; all, if none is named."""
        names = [part.name for kind, part in self._parts.items() if not kinds or kind in kinds]
        take_down(self._folder, names, lambda *_: None)

    def work(self, kind: str) -> float:
        """How much it has done since it was started: requests, events or passes."""
        part = self._parts[kind]
        port = part.ports["management" if kind == API else part.name]
        answer = requests.get(f"http://{HOST}:{port}/metrics", timeout=5)
        answer.raise_for_status()
        return sum(
            sample.value
            for family in text_string_to_metric_families(answer.text)
            for sample in family.samples
            if sample.name == _WORK[kind]
        )

    def log_tails(self) -> str:
        """The last lines of each log, for a failure report."""
        names = [part.name for part in self._parts.values()]
        tails = [self._folder.part(name).log_tail(12) for name in names]
        return "\n".join(line for tail in tails for line in tail)


def application_of(stack: StateFolder) -> Application:
    """Those of this version, which `coupon up` started."""
    parts = {part.name: part for part in application_parts(stack, existing(stack))}
    kinds = {API: parts["api"], CONSUMER: parts["consumer-1"], RECONCILER: parts["reconciler"]}
    return Application("this version", stack, _alone(kinds))


def application_beside(stack: StateFolder, version: str, source: Path, path: Path) -> Application:
    """Those of another version, with ports of their own; none is started yet.

    source: the folder with its packages. path: for their logs.
    """
    options = existing(stack)
    own = free_ports(["api", "management", "reconciler", "consumer-2"])
    beside = replace(options, ports={**options.ports, **own}, consumers=2)
    parts = {part.name: part for part in application_parts(stack, beside)}
    kinds = {API: parts["api"], CONSUMER: parts["consumer-2"], RECONCILER: parts["reconciler"]}
    folder = StateFolder(path)
    folder.create()
    return Application(version, folder, _alone(_from(source, kinds)))


def _alone(parts: Mapping[str, Part]) -> dict[str, Part]:
    """Parts that are started without those that they use, which run already."""
    return {kind: replace(part, after=()) for kind, part in parts.items()}


def _from(source: Path, parts: Mapping[str, Part]) -> dict[str, Part]:
    return {kind: _run_in(source, part) for kind, part in parts.items()}


def _run_in(source: Path, part: Part) -> Part:
    # `python -m` looks for packages in the folder that it is started in, before all others.
    return replace(part, command=lambda: replace(part.command(), cwd=source))
