"""The doctor does not wait for what another finding explains, and shows nothing green for it."""

import time
from collections.abc import Iterator
from threading import Event

import pytest

from coupons.errors import KafkaUnavailable
from coupons.kafka.client import KafkaClient
from operations.doctor import checks as awaited
from operations.doctor.checks import CHECKS, DEADLINE_SECONDS, Check, Run, run_checks
from operations.doctor.findings import Finding, Level, Section, failing, is_healthy, ok, verdict
from operations.doctor.system import System
from stack.ports import HOST, free_ports
from tests.unit.test_doctor import places

FAR_AWAY_SECONDS = 60.0
KAFKA = frozenset({Section.KAFKA_DOWN})


def down(_: System) -> Iterator[Finding]:
    yield failing("kafka", "it is down", "coupon up", Section.KAFKA_DOWN)


DOWN = Check("kafka", down, Section.KAFKA_DOWN)


@pytest.fixture
def short_wait(monkeypatch: pytest.MonkeyPatch) -> float:
    """For what is explained, in seconds."""
    monkeypatch.setattr(awaited, "EXPLAINED_SECONDS", 0.2)
    return 0.2


@pytest.fixture
def never() -> Iterator[Event]:
    event = Event()
    yield event
    event.set()


def slow(until: Event, seconds: float = FAR_AWAY_SECONDS, found_one: Event | None = None) -> Check:
    """Finds one thing at once, which sets `found_one`, and another one later."""

    def run(_: System) -> Iterator[Finding]:
        yield ok("slow", "the first is right")
        if found_one is not None:
            found_one.set()
        until.wait(seconds)
        yield ok("slow", "the second is right")

    return Check("slow", run, Section.POSTGRES_DOWN, KAFKA)


@pytest.mark.usefixtures("short_wait")
def test_what_another_finding_explains_is_not_awaited_and_not_green(never: Event) -> None:
    found_one = Event()

    def down_then(system: System) -> Iterator[Finding]:
        found_one.wait(FAR_AWAY_SECONDS)
        yield from down(system)

    began = time.monotonic()
    checks = [DOWN._replace(run=down_then), slow(never, found_one=found_one)]
    found = run_checks(places(1), FAR_AWAY_SECONDS, checks)
    assert time.monotonic() - began < FAR_AWAY_SECONDS / 2
    root, unknown, right = found
    assert (root.level, root.because) == (Level.FAILING, None)
    assert (unknown.check, unknown.level) == ("slow", Level.UNKNOWN)
    assert unknown.because is Section.KAFKA_DOWN
    assert right.says == "the first is right"
    assert not is_healthy(found)
    assert verdict(found).endswith("1 more follow from it.")


def test_what_ends_soon_is_shown_although_it_is_explained(
    never: Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(awaited, "EXPLAINED_SECONDS", FAR_AWAY_SECONDS / 2)
    checks = [DOWN, slow(never, 0.1)]
    found = run_checks(places(1), FAR_AWAY_SECONDS, checks)
    assert [each.level for each in found] == [Level.FAILING, Level.OK, Level.OK]


def test_what_nothing_explains_is_awaited(never: Event, short_wait: float) -> None:
    other = slow(never, short_wait + 0.5)._replace(explained_by=frozenset())
    found = run_checks(places(1), FAR_AWAY_SECONDS, [DOWN, other])
    assert [each.level for each in found] == [Level.FAILING, Level.OK, Level.OK]


@pytest.mark.usefixtures("short_wait")
def test_what_still_runs_when_its_reason_is_gone_is_not_called_down(never: Event) -> None:
    hanging: dict[str, Run] = {}
    checks = [DOWN, slow(never)]
    run_checks(places(1), FAR_AWAY_SECONDS, checks, hanging)
    [found] = run_checks(places(1), FAR_AWAY_SECONDS, checks[1:], hanging)
    assert (found.level, found.check) == (Level.UNKNOWN, "slow")
    assert list(hanging) == ["slow"]


@pytest.mark.parametrize("check", CHECKS, ids=[check.name for check in CHECKS])
def test_a_check_that_names_a_server_is_not_explained_by_that_server(check: Check) -> None:
    """Else a server that hangs would never be named."""
    owner = next(each for each in CHECKS if each.down_section is check.down_section)
    assert check is not owner or check.down_section not in check.explained_by


def test_with_every_connection_refused_it_is_soon_done() -> None:
    port = free_ports(["none"])["none"]
    began = time.monotonic()
    found = run_checks(places(port))
    assert time.monotonic() - began < DEADLINE_SECONDS - 1
    kafka = next(each for each in found if each.check == "kafka")
    assert "connection refused" in kafka.says


def test_a_refused_connection_is_an_answer_and_a_silent_one_is_not() -> None:
    port = free_ports(["none"])["none"]
    with pytest.raises(KafkaUnavailable, match="connection refused"):
        KafkaClient(f"{HOST}:{port},[::1]:{port}").check_not_refused()
    with pytest.raises(KafkaUnavailable, match="connection refused"):
        KafkaClient(f"{HOST}:{port}").check_not_refused()
    KafkaClient("no-such-host.invalid:9092").check_not_refused()
