"""The containers and the embedded stack are the same versions; needs no engine."""

import re
from pathlib import Path

from ops.addresses import ROLES
from stack.versions import versions
from tests.compose.containers import COMPOSE


def _tags(path: Path) -> dict[str, str]:
    lines = re.findall(r"^(?:FROM| *image:) (\S+?):(\S+)", path.read_text("utf-8"), re.MULTILINE)
    return dict(lines)


def test_compose_runs_the_versions_of_the_embedded_stack() -> None:
    pinned = versions()
    assert _tags(COMPOSE / "compose.yaml") == {
        "postgres": pinned["postgres"].partition(".")[0],
        "valkey/valkey": pinned["valkey"],
        "apache/kafka": pinned["kafka"],
        "apicurio/apicurio-registry": pinned["registry"],
    }
    assert _tags(COMPOSE / "Dockerfile")["quay.io/debezium/connect"] == pinned["debezium"]


def test_every_role_has_a_secret() -> None:
    text = (COMPOSE / "compose.yaml").read_text("utf-8")
    named = set(re.findall(r"^  (coupon_\w+): \{file:", text, re.MULTILINE))
    assert named == {f"coupon_{role}" for role in ROLES}
