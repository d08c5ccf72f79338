"""`coupon rehearse run` over an API process, with Postgres and Redis; others stand in for Kafka."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cli.main import main
from coupons.change_events import REQUEST_TOPIC
from coupons.change_events.kafka_admin import GroupState
from coupons.gate import Gate
from coupons.ledger.silent_sessions import VARIABLE
from operations.rehearsal import run, watching
from stack.ports import free_ports
from tests.support.api_process import Bearer, Server, running
from tests.support.databases import Database
from tests.support.issued import as_owner
from tests.support.issuing import requests_issued

Type = Callable[..., Result]


class NoKafka:
    """Says what an idle Kafka would."""

    def __init__(self, *_: object) -> None: ...

    def partitions(self) -> dict[str, int]:
        return {REQUEST_TOPIC: 10}

    def consuming(self) -> GroupState:
        return GroupState("Stable", 1, 3)


@pytest.fixture
def type_it(
    server: Server,
    environment: dict[str, str],
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> Type:
    """Types a line after `coupon rehearse run`; Postgres ends a session that is silent for 1 s."""
    monkeypatch.setattr(run, "KafkaAdmin", NoKafka)
    monkeypatch.setattr(watching, "KafkaAdmin", NoKafka)
    settings = {
        "COUPON_DATABASE_URL": database.url("coupon_ops"),
        "COUPON_REDIS_URL": environment["COUPON_REDIS_URL"],
        "COUPON_JWT_KEY_FILE": environment["COUPON_JWT_KEY_FILE"],
        "COUPON_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
        "COUPON_API_URL": f"http://127.0.0.1:{server.port}",
        "COUPON_API_MANAGEMENT_URL": f"http://127.0.0.1:{server.management_port}",
        "COUPON_STATE_DIR": "",
        VARIABLE: "1",
    }

    def typed(*words: str, **changes: str) -> Result:
        return CliRunner(env={**settings, **changes}).invoke(main, ["rehearse", "run", *words])

    return typed


def test_a_rehearsal_measures_what_its_users_got(
    type_it: Type, database: Database, gate: Gate, tmp_path: Path
) -> None:
    """For longer than a silent session lives; its coupon is closed, and the page is a file too."""
    page = tmp_path / "report.md"
    with requests_issued(database, gate):
        done = type_it("--rate", "20/s", "--for", "3s", "--json", "--report", str(page))

    assert done.exit_code == 0, done.output
    report: dict[str, Any] = json.loads(done.stdout)
    assert report["answers"] == {"202": 60}
    assert report["marks_heard"] == report["ledger"]["issued"] == 60
    assert report["highest_lag"] == 3
    assert report["batch_claims"] >= 1
    assert report["needed"]["rate"] == 40
    assert "docs/how-to/size.md, not measured here" in page.read_text("utf-8")
    assert f"coupon rehearse purge {report['coupon_id']}" in done.stderr
    assert as_owner(database, "SELECT state, eligible_group FROM coupon") == [
        ("closed", "coupon-rehearsal")
    ]


def test_a_rehearsal_of_an_api_that_is_down_says_how_to_purge_it(
    type_it: Type, database: Database
) -> None:
    """Its coupon was made before anybody could know; it is closed."""
    done = type_it("--rate", "20/s", "--for", "3s", COUPON_API_URL="http://127.0.0.1:1")
    assert done.exit_code == 3
    assert "coupon rehearse purge 1" in done.output
    assert as_owner(database, "SELECT state FROM coupon") == [("closed",)]


def test_a_rehearsal_whose_tokens_are_refused_makes_no_coupon(
    type_it: Type, database: Database, tmp_path: Path
) -> None:
    """This API has the shared secret, and no entry for the key."""
    key = tmp_path / "rehearsal.pem"
    made = CliRunner().invoke(main, ["rehearse", "key", str(key), str(tmp_path / "jwks.json")])
    assert made.exit_code == 0, made.output
    done = type_it("--rate", "20/s", "--for", "1s", "--key", str(key))
    assert done.exit_code == 2, done.output
    assert "coupon-rehearsal=" in done.output
    assert "COUPON_JWT_AUDIENCE" in done.output
    assert as_owner(database, "SELECT count(*) FROM coupon") == [(0,)]


def test_a_key_of_rehearsals_is_made_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    """No file is written over, and none is left that has no other."""

    def make(file: str, public: str) -> int:
        return CliRunner().invoke(main, ["rehearse", "key", file, public]).exit_code

    key, public, there = (tmp_path / name for name in ("key.pem", "jwks.json", "there"))
    there.write_text("precious", "utf-8")
    assert make(str(key), str(there)) == 2
    assert make(str(there), str(public)) == 2
    assert make(str(key), str(key)) == 2
    assert [*tmp_path.iterdir()] == [there]
    assert there.read_text("utf-8") == "precious"
    assert make(str(key), str(public)) == 0


def test_a_system_with_an_identity_provider_is_rehearsed_with_a_key_of_its_own(
    type_it: Type,
    environment: dict[str, str],
    bearer: Bearer,
    database: Database,
    gate: Gate,
    tmp_path: Path,
) -> None:
    """The API has no shared secret, only the public key that the command has written."""
    key, public = tmp_path / "rehearsal.pem", tmp_path / "jwks.json"
    made = CliRunner().invoke(main, ["rehearse", "key", str(key), str(public)])
    assert made.exit_code == 0, made.output
    assert key.stat().st_mode & 0o077 == 0
    again = CliRunner().invoke(main, ["rehearse", "key", str(key), str(public), "--json"])
    assert again.exit_code == 2
    ports = free_ports(["api", "management"])
    settings = {
        **environment,
        "COUPON_JWT_KEY_SETS": f"coupon-rehearsal={public}",
        "COUPON_API_PORT": str(ports["api"]),
        "COUPON_API_MANAGEMENT_PORT": str(ports["management"]),
    }
    del settings["COUPON_JWT_KEY_FILE"]
    with running(settings, bearer) as server, requests_issued(database, gate):
        done = type_it(
            *("--rate", "20/s", "--for", "2s", "--json", "--key", str(key)),
            COUPON_API_URL=f"http://127.0.0.1:{server.port}",
            COUPON_API_MANAGEMENT_URL=f"http://127.0.0.1:{server.management_port}",
            COUPON_JWT_KEY_FILE="/nowhere",
        )
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["answers"] == {"202": 40}
