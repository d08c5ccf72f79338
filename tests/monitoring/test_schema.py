"""The dashboards have the types of Grafana's schema. No Grafana runs here: it is under AGPL-3.0.

The schema and the compiler (both Apache-2.0) are those of schema/package-lock.json.
"""

import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.monitoring.dashboards import DASHBOARDS

SCHEMA = Path(__file__).with_name("schema")
INSTALL = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
CHECK = ["--noEmit", "--strict", "--skipLibCheck", "--module", "nodenext"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the schema and the compiler."""
    if shutil.which("npm") is None:
        pytest.skip("no npm, which installs Grafana's schema")
    made = tmp_path_factory.mktemp("schema")
    for name in ("package.json", "package-lock.json"):
        shutil.copy(SCHEMA / name, made)
    done = subprocess.run(INSTALL, cwd=made, capture_output=True, text=True, timeout=120)
    if done.returncode != 0:
        pytest.skip(f"npm cannot install Grafana's schema here: {done.stderr[-200:]}")
    return made


def errors(folder: Path, dashboards: Mapping[str, object]) -> str:
    """What the compiler finds wrong. As literals: from a JSON file every string has any value."""
    lines = ["import type { Dashboard } from '@grafana/schema';"]
    lines += [
        f"export const board{number}: Partial<Dashboard> = {json.dumps(board, indent=1)};"
        for number, board in enumerate(dashboards.values())
    ]
    (folder / "boards.mts").write_text("\n".join(lines), "utf-8")
    tsc = folder / "node_modules" / "typescript" / "bin" / "tsc"
    done = subprocess.run(
        ["node", tsc, *CHECK, "boards.mts"], cwd=folder, capture_output=True, text=True, timeout=120
    )
    assert bool(done.stdout) == bool(done.returncode), done.stderr
    return done.stdout


def test_the_dashboards_have_the_types_of_the_schema(folder: Path) -> None:
    assert errors(folder, DASHBOARDS) == ""


def test_a_wrong_dashboard_does_not(folder: Path) -> None:
    wrong: list[dict[str, object]] = [{"title": 7}, {"panel": []}, {"graphTooltip": "none"}]
    boards = {str(each): {**DASHBOARDS["sale.json"], **each} for each in wrong}
    assert errors(folder, boards).count("error TS") == len(wrong)
