"""What doctor names is a way back: each loss is caused, doctor followed, and all is well again.

test_drill.py types what the runbook says; here it is what doctor prints.
"""

import json
import os
import signal
from collections.abc import Iterator
from contextlib import closing

import pytest
import requests

from chaos.drill.site import SOON_SECONDS, Site
from connectors.connector_state import read_state
from connectors.lifecycle import CONNECTOR_NAME
from coupons.change_events import HEARTBEAT_TOPIC, REQUEST_TOPIC, SchemaRegistry, subject_of
from coupons.waiting import eventually
from stack.disposable import DisposableStack


@pytest.fixture(scope="module")
def stack(spare_stack: DisposableStack) -> DisposableStack:
    """Not the shared one: they take it apart, and put it in order again."""
    return spare_stack


@pytest.fixture(scope="module")
def whole_site(stack: DisposableStack) -> Iterator[Site]:
    with closing(Site(stack)) as site:
        yield site


@pytest.fixture
def site(whole_site: Site) -> Site:
    """In order, whatever the test before left, with nothing on its way."""
    whole_site.operator.follow()
    whole_site.claim(1)
    eventually(whole_site.operator.is_well, SOON_SECONDS, "in order")
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
    _lose_schemas_while_nobody_reads(site)
    site.claim()
    assert site.operator.follow(240), "nothing was found"
    site.assert_well()


def test_a_registry_whose_schemas_the_connector_registers_by_itself(site: Site) -> None:
    """It is started again, and people claim: doctor no longer sees that schemas are lost."""
    _lose_schemas_while_nobody_reads(site)
    site.claim()
    [(claimed,)] = site.run_as_superuser("SELECT pg_current_wal_lsn()")
    passed = f"{_CONFIRMED} >= '{claimed}'::pg_lsn"
    eventually(lambda: site.run_as_superuser(passed), SOON_SECONDS, "it does not stream them again")
    assert site.operator.type("coupon up").returncode == 0
    registry_url = site.stack.environment["COUPON_SCHEMA_REGISTRY_URL"]
    _use_up_ids(registry_url)
    site.connect.call("POST", f"/connectors/{CONNECTOR_NAME}/restart?includeTasks=true")
    registry = SchemaRegistry(registry_url)
    beats = subject_of(HEARTBEAT_TOPIC)
    eventually(lambda: registry.latest_schema(beats), SOON_SECONDS, "the new task has begun")
    site.claim(1)

    def found() -> bool:
        ill = site.operator.ill()
        assert "dead letters" in {each["check"] for each in ill}, ill
        return True

    eventually(found, SOON_SECONDS, "nobody can read them")
    assert "coupon connector recover --emit" in site.operator.follow()
    site.assert_well()


def test_a_registry_that_lost_the_schemas_of_the_events_too(site: Site) -> None:
    """Those who read the events can read the new ones. No request is under way meanwhile."""
    assert site.operator.type("coupon events start").returncode == 0
    try:
        site.claim(1)
        eventually(lambda: _readable_events(site), SOON_SECONDS, "its event can be read")
        _lose_schemas_while_nobody_reads(site)
        assert site.operator.follow(240), "nothing was found"
        site.claim(1)
        eventually(lambda: _readable_events(site), SOON_SECONDS, "new events can be read")
    finally:
        assert site.operator.type("coupon events stop --yes").returncode == 0
    site.assert_well()


def _readable_events(site: Site) -> int:
    """How many of the newest events can be read."""
    done = site.operator.type("coupon events read --json --count 1")
    assert done.returncode == 0, done.stderr
    return len(json.loads(done.stdout)["events"])


def _lose_schemas_while_nobody_reads(site: Site) -> None:
    site.stack.stop("consumer-1", "registry")
    site.run_as_superuser("DROP DATABASE registry WITH (FORCE)", "postgres")
    site.run_as_superuser("CREATE DATABASE registry OWNER coupon_registry", "postgres")


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
    site.connect.call("POST", f"/connectors/{CONNECTOR_NAME}/restart?includeTasks=true")

    def is_out() -> bool:
        state = read_state(site.connect, CONNECTOR_NAME)
        return role == "coupon_ops" or (state is not None and state.failure is not None)

    eventually(is_out, SOON_SECONDS)
    site.claim()
    assert "coupon up" in site.operator.follow()
    site.assert_well()


def _use_up_ids(registry_url: str) -> None:
    """An empty registry gives the same ids again, which would be read by chance."""
    for number in range(_MORE_THAN_WERE_USED):
        schema = json.dumps({"type": "fixed", "name": f"of_a_test_{number}", "size": 1})
        url = f"{registry_url}/subjects/of-a-test-{number}/versions"
        requests.post(url, json={"schema": schema}, timeout=SOON_SECONDS).raise_for_status()


_MORE_THAN_WERE_USED = 20
_CONFIRMED = (
    "SELECT 1 FROM pg_replication_slots WHERE slot_name = 'coupon_cdc' AND confirmed_flush_lsn"
)
_MOVE_AHEAD = (
    "SELECT pg_replication_slot_advance('coupon_cdc', pg_current_wal_lsn())"
    " FROM pg_replication_slots WHERE slot_name = 'coupon_cdc' AND NOT active"
)
