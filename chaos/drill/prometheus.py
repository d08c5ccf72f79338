"""A Prometheus with the project's configuration and alerts, which scrapes a stack."""

import json
import re
import shutil
import subprocess
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import requests

from coupons.waiting import attempts, eventually
from stack.disposable import DisposableStack
from stack.options import existing
from stack.ports import HOST, free_ports

MONITORING = Path(__file__).parents[2] / "compose" / "monitoring"
PROGRAM = "prometheus"
JOBS = {
    "coupon-api": "management",
    "coupon-consumer": "consumer-1",
    "coupon-monitor": "monitor",
    "coupon-reconciler": "reconciler",
}
"""By job of compose/monitoring/targets.yml: the port of the stack."""
_STARTS_WITHIN_SECONDS = 30
_ANSWER_SECONDS = 10
_PAUSE_SECONDS = 0.25


class Prometheus:
    """A server that runs. api: the address of its HTTP API."""

    def __init__(self, api: str) -> None:
        self.api = api

    def ask(self, path: str, **given: str) -> Any:
        """The data of an answer. Raises OSError while it starts."""
        response = requests.get(f"{self.api}/{path}", params=given, timeout=_ANSWER_SECONDS)
        assert response.json()["status"] == "success", (given, response.text)
        return response.json()["data"]

    def firing(self) -> set[str]:
        """The names of the alerts that fire."""
        return {
            str(each["labels"]["alertname"])
            for each in self.ask("alerts")["alerts"]
            if each["state"] == "firing"
        }

    def await_firing(self, names: Iterable[str], within_s: float) -> None:
        """Return when each of these alerts has fired; it may be over by then."""
        missing = set(names)
        for _ in attempts(within_s, _PAUSE_SECONDS):
            with suppress(requests.RequestException):  # it does other things just now
                missing -= self.firing()
            if not missing:
                return
        raise AssertionError(f"not within {within_s:.0f} s: {missing}; {self.firing()} fire")

    def await_quiet(self, names: Collection[str] | None, within_s: float) -> None:
        """Return when none of these alerts fires; None: none at all."""
        for _ in attempts(within_s, _PAUSE_SECONDS):
            with suppress(requests.RequestException):
                firing = self.firing()
                if not (firing if names is None else firing.intersection(names)):
                    return
        raise AssertionError(f"not within {within_s:.0f} s: {self.firing()} still fire")

    def forget(self) -> None:
        """Remove everything that was scraped: rates over minutes begin again."""
        given = {"match[]": '{job=~".+"}'}
        url = f"{self.api}/admin/tsdb/delete_series"
        requests.post(url, params=given, timeout=_ANSWER_SECONDS).raise_for_status()

    def await_targets(self) -> None:
        """Return when it has scraped every process."""
        eventually(
            lambda: len(self.ask("query", query="up == 1")["result"]) == len(JOBS),
            _STARTS_WITHIN_SECONDS,
            "every process is scraped",
        )


@contextmanager
def prometheus(
    folder: Path, stack: DisposableStack, *, every_second: bool, at_once: bool = False
) -> Iterator[Prometheus]:
    """One that ends with the block.

    every_second: whether it scrapes and evaluates each second, and not at the interval of the
    configuration. at_once: whether an alert fires without the time that its rule waits (`for`).
    """
    if shutil.which(PROGRAM) is None:
        raise FileNotFoundError(f"no {PROGRAM}: apt install prometheus")
    folder.mkdir(exist_ok=True)
    config = (MONITORING / "prometheus.yml").read_text("utf-8")
    rules = (MONITORING / "alerts.yml").read_text("utf-8")
    if every_second:
        intervals = r"(scrape_interval|scrape_timeout|evaluation_interval): \d+s"
        config = re.sub(intervals, r"\1: 1s", config)
    if at_once:
        rules = re.sub(r"^( +for): \d+[smh]$", r"\1: 0s", rules, flags=re.MULTILINE)
    (folder / "prometheus.yml").write_text(config, "utf-8")
    (folder / "alerts.yml").write_text(rules, "utf-8")
    (folder / "targets.yml").write_text(json.dumps(_targets(stack)), "utf-8")
    address = f"{HOST}:{free_ports([PROGRAM])[PROGRAM]}"
    command = [PROGRAM, f"--config.file={folder / 'prometheus.yml'}"]
    command += [f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address={address}"]
    command.append("--web.enable-admin-api")  # for forget()
    with (folder / "log").open("w") as log, subprocess.Popen(command, stderr=log) as process:
        try:
            server = Prometheus(f"http://{address}/api/v1")
            eventually(lambda: server.ask("status/buildinfo"), _STARTS_WITHIN_SECONDS, "it answers")
            yield server
        finally:
            process.terminate()


def _targets(stack: DisposableStack) -> list[dict[str, Any]]:
    ports = existing(stack.folder).ports
    return [
        {"targets": [f"{HOST}:{ports[name]}"], "labels": {"job": job}} for job, name in JOBS.items()
    ]
