"""What doctor names is a way back: each loss is caused, doctor followed, and all is well again."""

import os
import signal
from contextlib import closing

import psycopg
import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from connectors.connect import Connect
from connectors.connector_state import read_state
from connectors.lifecycle import CONNECTOR_NAME
from coupons.change_events import REQUEST_TOPIC
from coupons.waiting import eventually
from stack.disposable import DisposableStack
from stack.endpoints import database_url
from stack.options import existing
from tests.pipeline.operator_at_work import Operator
from tests.pipeline.people import People

SOON_SECONDS = 60
CLAIMS = 10


class Site:
    """The stack, people who claim on it, and an operator."""

    def __init__(self, stack: DisposableStack) -> None:
        self.stack = stack
        self.people = People(stack)
        self.operator = Operator(stack)
        self.coupon_id = self.people.create_coupon(1_000_000)
        self._users = 0
        self._locations: dict[int, str] = {}

    def claim(self, count: int = CLAIMS) -> None:
        """So many people claim, each of them is answered 202."""
        for user in range(self._users + 1, self._users + count + 1):
            answer = self.people.claim(self.coupon_id, user)
            assert answer.status_code == 202, answer.text
            self._locations[user] = answer.headers["Location"]
        self._users += count

    def run_as_superuser(
        self, statement: str, database: str = "coupon"
    ) -> list[tuple[object, ...]]:
        ports = existing(self.stack.folder).ports
        url = database_url(self.stack.folder, ports, "postgres", database)
        with closing(psycopg.connect(url, autocommit=True)) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def set_topic(self, topic: str, setting: str, value: str) -> None:
        servers = self.stack.environment["COUPON_KAFKA_BOOTSTRAP_SERVERS"]
        entry = ConfigEntry(setting, value, incremental_operation=AlterConfigOpType.SET)
        resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
        admin = AdminClient({"bootstrap.servers": servers})
        [done] = admin.incremental_alter_configs([resource]).values()
        done.result(SOON_SECONDS)

    def is_found(self, check: str) -> bool:
        return check in {each["check"] for each in self.operator.ill()}

    def assert_well(self) -> None:
        """Everything that was accepted is issued, the books balance, and claiming works."""
        self.claim(1)
        done = self.operator.type("coupon verify --wait 60")
        assert done.returncode == 0, done.stdout + done.stderr
        statuses = {
            user: self.people.read(where, user).json()["status"]
            for user, where in self._locations.items()
        }
        assert set(statuses.values()) == {"ISSUED"}, statuses
        eventually(self.operator.is_all_ok, SOON_SECONDS, "all is well")


@pytest.fixture(scope="module")
def stack(spare_stack: DisposableStack) -> DisposableStack:
    """Not the shared one: they take it apart, and put it in order again."""
    return spare_stack


@pytest.fixture(scope="module")
def whole_site(stack: DisposableStack) -> Site:
    return Site(stack)


@pytest.fixture
def site(whole_site: Site) -> Site:
    """In order, with nothing on its way."""
    whole_site.claim(1)
    eventually(lambda: whole_site.operator.ill() == [], SOON_SECONDS, "in order")
    return whole_site


def test_a_dropped_publication(site: Site) -> None:
    site.run_as_superuser("DROP PUBLICATION coupon_cdc")
    site.claim()
    assert site.operator.follow() == ["coupon connector recover"]
    site.assert_well()


def test_a_publication_that_was_changed(site: Site) -> None:
    site.run_as_superuser("ALTER PUBLICATION coupon_cdc SET TABLE cdc_heartbeat")
    site.claim()
    assert site.operator.follow() == ["coupon connector recover"]
    site.assert_well()


def test_a_gap_that_left_no_mark(site: Site) -> None:
    """Somebody mended the publication by hand; everything runs, and has run on over the gap."""
    site.run_as_superuser("ALTER PUBLICATION coupon_cdc SET TABLE cdc_heartbeat")
    site.claim()
    site.run_as_superuser(
        "ALTER PUBLICATION coupon_cdc SET TABLE cdc_heartbeat, coupon_issue_request"
    )
    eventually(lambda: site.is_found("young requests"), SOON_SECONDS, "the gap is found")
    assert site.operator.follow() == ["coupon connector recover"]
    site.assert_well()


def test_a_slot_that_was_moved_ahead_while_the_connector_ran(site: Site) -> None:
    connect = site.stack.pid("connect")
    os.kill(connect, signal.SIGSTOP)
    try:
        site.claim()
        site.run_as_superuser(
            "SELECT pg_terminate_backend(active_pid, 5000) FROM pg_replication_slots WHERE active"
        )
        eventually(lambda: site.run_as_superuser(_MOVE_AHEAD), SOON_SECONDS)
    finally:
        os.kill(connect, signal.SIGCONT)
    assert "coupon connector recover" in site.operator.follow()
    site.assert_well()


def test_a_registry_that_lost_its_database(site: Site) -> None:
    site.stack.stop("consumer-1", "registry")
    site.run_as_superuser("DROP DATABASE registry WITH (FORCE)", "postgres")
    site.run_as_superuser("CREATE DATABASE registry OWNER coupon_registry", "postgres")
    site.claim()
    assert "coupon connector recover" in site.operator.follow(240)
    site.assert_well()


def test_offsets_of_connect_with_another_clean_up_policy(site: Site) -> None:
    site.stack.kill("connect")
    site.set_topic("connect-offsets", "cleanup.policy", "delete")
    site.claim()
    assert {"coupon topics --mend", "coupon up"} & set(site.operator.follow())
    site.assert_well()


def test_a_request_topic_that_is_compacted_or_hardly_kept(site: Site) -> None:
    site.set_topic(REQUEST_TOPIC, "cleanup.policy", "compact")
    site.set_topic(REQUEST_TOPIC, "retention.ms", "60000")
    assert site.operator.follow() == ["coupon topics --mend"]
    site.assert_well()


def test_a_damaged_append_only_file(site: Site) -> None:
    site.stack.kill("valkey")
    [file] = (site.stack.folder.path / "valkey" / "appendonlydir").glob("*.incr.aof")
    undamaged = file.read_bytes()
    # Between two commands: Valkey reads over garbage that is at the end of a length, for example.
    between = undamaged.index(b"\r\n*", len(undamaged) // 2) + 2
    file.write_bytes(undamaged[:between] + b"@garbage@" * 9 + undamaged[between:])
    failed = site.operator.type("coupon up")
    assert "append-only file is damaged" in failed.stderr
    assert any(command.startswith("rm -r ") for command in site.operator.follow())
    site.assert_well()


@pytest.mark.parametrize("role", ["coupon_cdc", "coupon_ops"])
def test_a_password_that_was_changed_in_the_database(site: Site, role: str) -> None:
    site.run_as_superuser(f"ALTER ROLE {role} PASSWORD 'another'")
    connect = Connect(site.stack.environment["COUPON_CONNECT_URL"])
    connect.call("POST", f"/connectors/{CONNECTOR_NAME}/restart?includeTasks=true")

    def is_out() -> bool:
        state = read_state(connect, CONNECTOR_NAME)
        return role == "coupon_ops" or (state is not None and state.failure is not None)

    eventually(is_out, SOON_SECONDS)
    site.claim()
    assert "coupon up" in site.operator.follow()
    site.assert_well()


_MOVE_AHEAD = (
    "SELECT pg_replication_slot_advance('coupon_cdc', pg_current_wal_lsn())"
    " FROM pg_replication_slots WHERE slot_name = 'coupon_cdc' AND NOT active"
)
