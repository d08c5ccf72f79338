"""What each state of slot, connector, offsets and consumer means, and a doctor who never hangs."""

import socket
import time
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from cli.doctor_findings import show_findings
from connectors.connector_state import ConnectorState, TaskState
from connectors.slot import Slot
from connectors.stream_gap import StreamCheck
from coupons.change_events.kafka_admin import STABLE, GroupState, UnreadPartition
from coupons.kafka.client import KafkaClient
from operations.doctor import checks
from operations.doctor.causes import arrange
from operations.doctor.checks import CHECKS, run_checks
from operations.doctor.findings import Level, Section, failing, unknown
from operations.doctor.kafka import MUCH_LAG, consumer_finding, unread_findings
from operations.doctor.machine import check_disk, check_parts
from operations.doctor.postgres import slot_findings
from operations.doctor.stream import connector_finding, offsets_finding
from operations.doctor.system import System
from stack.folder import StateFolder
from stack.options import StackOptions, default_ports, remember
from stack.ports import HOST, free_ports

MIB = 2**20
NO_ENTRY = 'FATAL: password authentication failed for user "coupon_cdc"'
RUNNING = ConnectorState("c", "RUNNING", None, [TaskState(0, "RUNNING", None)])
HEALTHY = Slot(
    wal_lsn=1_000,
    keep_bytes=100 * MIB,
    exists=True,
    usable=True,
    active=True,
    failover=True,
    wal_status="reserved",
    invalidation_reason=None,
    confirmed_lsn=900,
    retained_bytes=MIB,
)
MISSING = Slot(1_000, 100 * MIB, False, None, None, None, None, None, None, None)
LOST = HEALTHY._replace(active=False, wal_status="lost", invalidation_reason="wal_removed")


def levels(slot: Slot) -> dict[Section | None, Level]:
    return {finding.section: finding.level for finding in slot_findings(slot)}


@pytest.mark.parametrize(
    ("slot", "found"),
    [
        (HEALTHY, {None: Level.OK}),
        (MISSING, {Section.SLOT_LOST: Level.FAILING}),
        (LOST, {Section.SLOT_LOST: Level.FAILING}),
        (HEALTHY._replace(usable=False), {Section.SLOT_LOST: Level.FAILING}),
        (HEALTHY._replace(failover=False), {Section.SLOT_LOST: Level.FAILING}),
        (HEALTHY._replace(active=False), {Section.SLOT_INACTIVE: Level.FAILING, None: Level.OK}),
        (
            HEALTHY._replace(retained_bytes=60 * MIB, wal_status="extended"),
            {None: Level.OK, Section.WAL_GROWS: Level.WARNING},
        ),
        (
            HEALTHY._replace(retained_bytes=101 * MIB, wal_status="unreserved"),
            {None: Level.OK, Section.WAL_GROWS: Level.FAILING},
        ),
        (HEALTHY._replace(keep_bytes=None), {None: Level.OK, Section.WAL_GROWS: Level.WARNING}),
    ],
)
def test_what_a_slot_means(slot: Slot, found: dict[Section | None, Level]) -> None:
    assert levels(slot) == found


@pytest.mark.parametrize(
    ("state", "section"),
    [
        (RUNNING, None),
        (None, Section.CONNECTOR_MISSING),
        (RUNNING._replace(state="PAUSED"), Section.CONNECTOR_HELD),
        (RUNNING._replace(state="STOPPED", tasks=[]), Section.CONNECTOR_HELD),
        (RUNNING._replace(tasks=[TaskState(0, "FAILED", "why")]), Section.CONNECTOR_FAILED),
        (RUNNING._replace(tasks=[]), Section.CONNECTOR_FAILED),
        (RUNNING._replace(tasks=[TaskState(0, "FAILED", NO_ENTRY)]), Section.NOT_PREPARED),
    ],
)
def test_what_a_connector_means(state: ConnectorState | None, section: Section | None) -> None:
    assert connector_finding(state).section == section


@pytest.mark.parametrize(
    ("offset", "slot", "level"),
    [
        (900, HEALTHY, Level.OK),
        (1_000, HEALTHY, Level.OK),
        (899, HEALTHY, Level.FAILING),
        (1_001, HEALTHY, Level.FAILING),
        (None, HEALTHY, Level.WARNING),
        (900, MISSING, Level.FAILING),
        (900, LOST, Level.FAILING),
    ],
)
def test_what_offsets_mean_beside_the_slot(offset: int | None, slot: Slot, level: Level) -> None:
    finding = offsets_finding(StreamCheck(RUNNING, offset, slot))
    assert finding.level is level
    assert (finding.command is None) == (level is Level.OK)


@pytest.mark.parametrize(
    ("consuming", "section"),
    [
        (GroupState(STABLE, 1, 0), None),
        (GroupState("EMPTY", 0, 5), Section.CONSUMER_DOWN),
        (GroupState("PREPARING_REBALANCING", 2, 5), Section.CONSUMER_DOWN),
        (GroupState(STABLE, 1, MUCH_LAG + 1), Section.LAG),
    ],
)
def test_what_the_consumers_mean(consuming: GroupState, section: Section | None) -> None:
    assert consumer_finding(consuming).section == section


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        ([], [], []),
        (
            [UnreadPartition("t", 3, 120, 1)],
            [UnreadPartition("t", 3, 120, 1)],
            [(Level.FAILING, Section.NOT_READ)],
        ),
        (
            [UnreadPartition("t", 3, 120, 1)],
            [UnreadPartition("t", 3, 121, 1)],
            [(Level.WARNING, Section.LAG)],
        ),
        ([UnreadPartition("t", 3, 120, 1)], [], []),
        (
            [UnreadPartition("t", 3, 120, 1)],
            [UnreadPartition("t", 4, 120, 1)],
            [(Level.WARNING, Section.LAG)],
        ),
    ],
)
def test_a_partition_that_does_not_move_is_found_though_it_is_one_record(
    before: list[UnreadPartition], after: list[UnreadPartition], found: list[tuple[Level, Section]]
) -> None:
    assert [(each.level, each.section) for each in unread_findings(before, after)] == found


@pytest.fixture
def silent() -> Iterator[int]:
    """A port where connections are taken and nothing is ever answered, as by a stopped process."""
    with socket.create_server((HOST, 0)) as server:
        yield server.getsockname()[1]


def places(port: int) -> System:
    return System(
        None,
        None,
        f"postgresql://coupon_ops:x@{HOST}:{port}/coupon",
        f"redis://{HOST}:{port}/0",
        KafkaClient(f"{HOST}:{port}"),
        f"http://{HOST}:{port}",
        f"http://{HOST}:{port}",
        "group",
    )


SERVERS = {"postgres", "redis", "kafka", "schemas", "connector"}
NOT_HERE = {"parts", "disk", "api", "consumers"}


def test_with_everything_down_each_server_is_named_and_nothing_raised(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(checks, "EXPLAINED_SECONDS", 60.0)  # all are awaited, on a busy machine too
    found = run_checks(places(free_ports(["none"])["none"]), deadline_s=60)
    by_level = {level: {each.check for each in found if each.level is level} for level in Level}
    assert by_level[Level.FAILING] == SERVERS
    assert by_level[Level.ELSEWHERE] == NOT_HERE
    others = {check.name for check in CHECKS} - SERVERS - NOT_HERE
    assert by_level[Level.UNKNOWN] == others
    assert not by_level[Level.OK] | by_level[Level.WARNING]


def test_of_several_checks_that_fail_alike_one_says_why() -> None:
    """The text of Postgres is long, and ten checks need Postgres."""
    console = Console(record=True, width=400, file=StringIO())
    why = "Postgres cannot be reached: connection refused"
    down = failing("postgres", why, "coupon up", Section.POSTGRES_DOWN)
    others = [unknown(name, why, "coupon up", Section.POSTGRES_DOWN) for name in ("a", "b")]
    show_findings(console, arrange([*others, down]))
    shown = console.export_text()
    assert shown.count(why) == 1
    assert shown.count(f"not checked, for the same reason (see: {Section.POSTGRES_DOWN})") == 2


def test_disk_and_parts_of_a_stack_on_this_machine_are_checked_by_its_addresses(
    tmp_path: Path,
) -> None:
    """After `eval "$(coupon env)"`, which exports no folder. Commands name the folder."""
    folder = StateFolder(tmp_path)
    folder.create()
    ports = free_ports(default_ports(1))
    remember(folder, StackOptions(ports, 1, servers_only=True))
    near = places(1)._replace(near=folder)
    assert {each.level for each in check_disk(near)} <= {Level.OK, Level.WARNING, Level.FAILING}
    [first, *_] = check_parts(near)
    assert first.level is Level.FAILING
    assert str(tmp_path) in str(first.command)


def test_servers_that_never_answer_do_not_hold_it_up(silent: int) -> None:
    began = time.monotonic()
    found = run_checks(places(silent), deadline_s=5)
    assert time.monotonic() - began < 30
    assert {finding.check for finding in found} == {check.name for check in CHECKS}
    assert {finding.level for finding in found} == {Level.FAILING, Level.UNKNOWN, Level.ELSEWHERE}
