"""k6, the load generator of the report, where it is installed.

k6 is under the AGPL; this project does not download or build it.
"""

import json
import os
import resource
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

_SCRIPT = Path(__file__).with_name("k6.js")


class Figures(NamedTuple):
    """Figures of a load generator; latencies in milliseconds. accepted: 202, repeated: 200."""

    requests_per_s: float
    average_ms: float
    p50_ms: float
    p90_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float
    accepted: int
    repeated: int
    failed: int
    cpu_s: float


def find_k6() -> Path | None:
    """k6 on the PATH, or None."""
    found = shutil.which("k6")
    return Path(found) if found else None


def run_k6(
    k6: Path, url: str, tokens: Sequence[str], users: int, seconds: float, pause_s: float
) -> Figures:
    """The report's load on the claim at `url`, each claim with a token drawn at random."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "tokens").write_text("\n".join(tokens), "ascii")
        settings = {
            "URL": url,
            "TOKENS": str(folder / "tokens"),
            "USERS": str(users),
            "SECONDS": f"{seconds:g}",
            "PAUSE": f"{pause_s:g}",
            "SUMMARY": str(folder / "summary.json"),
        }
        before = _children_cpu_s()
        command = [str(k6), "run", "--quiet", "--no-usage-report", str(_SCRIPT)]
        done = subprocess.run(
            command, env={**os.environ, **settings}, capture_output=True, text=True
        )
        cpu_s = _children_cpu_s() - before
        if done.returncode != 0:
            raise RuntimeError(f"k6 failed:\n{done.stderr}")
        summary = json.loads((folder / "summary.json").read_text("utf-8"))
    return read_summary(summary, cpu_s)


def read_summary(summary: Mapping[str, Any], cpu_s: float) -> Figures:
    """The figures in k6's summary. Raises KeyError when one is missing."""
    metrics = summary["metrics"]
    times = metrics["http_req_duration"]["values"]

    def count(name: str) -> int:
        return int(metrics[name]["values"]["count"]) if name in metrics else 0

    return Figures(
        requests_per_s=metrics["http_reqs"]["values"]["rate"],
        average_ms=times["avg"],
        p50_ms=times["p(50)"],
        p90_ms=times["p(90)"],
        p95_ms=times["p(95)"],
        p99_ms=times["p(99)"],
        max_ms=times["max"],
        accepted=count("accepted"),
        repeated=count("repeated"),
        failed=count("failed"),
        cpu_s=cpu_s,
    )


def _children_cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
