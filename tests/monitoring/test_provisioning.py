"""The profile `monitoring` starts with everything that it needs."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from docs.make.alerts import RULES
from tests.monitoring.tools import run_tool

COMPOSE = RULES.parents[1]
PROFILE = {"prometheus", "alertmanager", "grafana"}
FILES = {
    "one server": (["compose.yaml"], RULES.with_name("targets.yml")),
    "cluster": (["compose.yaml", "cluster.yaml"], COMPOSE / "cluster" / "targets.yml"),
}
SCRAPED = {
    "coupon-api": "COUPON_API_MANAGEMENT_PORT",
    "coupon-consumer": "COUPON_CONSUMER_PORT",
    "coupon-reconciler": "COUPON_RECONCILER_PORT",
    "coupon-monitor": "COUPON_MONITOR_PORT",
}
"""By job: the setting that names the port of the metrics."""


def services(files: list[str], secrets: Path, **settings: str) -> dict[str, Any]:
    """What compose makes of the files, all profiles included. settings: of its environment."""
    command = ["docker", "compose", "--env-file", os.devnull]
    command += [f"--file={COMPOSE / name}" for name in files]
    try:
        subprocess.run(["docker", "compose", "version"], capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no docker compose here")
    done = subprocess.run(
        [*command, "--profile", "*", "config", "--format", "json"],
        env={"PATH": os.environ["PATH"], "COUPON_SECRETS_DIR": str(secrets), **settings},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout)["services"])


def test_the_configuration_of_prometheus_is_valid() -> None:
    printed = run_tool("promtool", "check", "config", RULES.with_name("prometheus.yml"))
    assert "1 rule files found" in printed


@pytest.mark.parametrize("kind", FILES)
def test_the_profile_is_valid_and_mounts_files_that_are_there(kind: str, tmp_path: Path) -> None:
    files, targets = FILES[kind]
    found = services(files, tmp_path)
    assert {name for name, each in found.items() if "monitoring" in each.get("profiles", [])} == (
        PROFILE
    )
    bound = {
        mount["target"]: Path(mount["source"])
        for name in PROFILE
        for mount in found[name]["volumes"]
        if mount["type"] == "bind"
    }
    assert [source for source in bound.values() if not source.exists()] == []
    assert bound["/etc/prometheus/targets.yml"] == targets


@pytest.mark.parametrize("kind", FILES)
def test_every_process_is_scraped_at_its_port(kind: str, tmp_path: Path) -> None:
    files, targets = FILES[kind]
    found = services(files, tmp_path)
    scraped = {
        job: set(group["targets"])
        for group in yaml.safe_load(targets.read_text("utf-8"))
        for job in [group["labels"]["job"]]
    }
    for job, setting in SCRAPED.items():
        processes = {
            f"{name}:{each['environment'][setting]}"
            for name, each in found.items()
            if setting in each.get("environment", {})
        }
        assert scraped[job] == processes
    assert set(scraped) == set(SCRAPED)
