"""The doctor of the page: one run at a time, and what hangs is not started again."""

import pytest

from coupons.endpoints import Endpoints
from coupons.waiting import eventually
from monitor.page import diagnosis
from operations.doctor.findings import Finding


def test_each_run_knows_what_still_hangs_from_the_one_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """There is no check here: what it was called with is what counts."""
    known: list[list[str]] = []

    def run_checks(_system: object, hanging: dict[str, object]) -> list[Finding]:
        known.append(list(hanging))
        hanging["kafka"] = "a run"
        return []

    monkeypatch.setattr(diagnosis, "run_checks", run_checks)
    monkeypatch.setattr(diagnosis, "find_system", lambda _: None)
    monkeypatch.setattr(diagnosis, "PAUSE_SECONDS", 0.0)
    doctor = diagnosis.Doctor(Endpoints({}, "monitor"))
    eventually(lambda: doctor.latest() and len(known) >= 2)
    assert known[:2] == [[], ["kafka"]]


def test_a_report_from_long_ago_is_not_shown_as_the_present_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is from before nobody read the page: it may name a fault that is over, or miss one."""
    monkeypatch.setattr(diagnosis, "run_checks", lambda _system, hanging: [])
    monkeypatch.setattr(diagnosis, "find_system", lambda _: None)
    doctor = diagnosis.Doctor(Endpoints({}, "monitor"))
    assert eventually(doctor.latest)
    monkeypatch.setattr(diagnosis, "KEPT_SECONDS", -1.0)
    assert doctor.latest() is None


def test_a_report_of_when_other_parts_were_well_is_not_shown_and_the_next_one_runs_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(diagnosis, "run_checks", lambda _system, hanging: [])
    monkeypatch.setattr(diagnosis, "find_system", lambda _: None)
    monkeypatch.setattr(diagnosis, "PAUSE_SECONDS", 3_600.0)
    monkeypatch.setattr(diagnosis, "SHORTEST_PAUSE_SECONDS", 0.0)
    doctor = diagnosis.Doctor(Endpoints({}, "monitor"))
    healthy = eventually(doctor.latest)
    down = frozenset({"Redis"})
    assert doctor.latest(down) is None
    assert eventually(lambda: doctor.latest(down)) is not healthy
    assert doctor.latest() is None, "it is back: the report that names it is not shown"


def test_parts_that_come_and_go_do_not_keep_the_doctor_running(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runs: list[int] = []

    def run_checks(_system: object, hanging: dict[str, object]) -> list[Finding]:
        runs.append(1)
        return []

    monkeypatch.setattr(diagnosis, "run_checks", run_checks)
    monkeypatch.setattr(diagnosis, "find_system", lambda _: None)
    monkeypatch.setattr(diagnosis, "SHORTEST_PAUSE_SECONDS", 3_600.0)
    doctor = diagnosis.Doctor(Endpoints({}, "monitor"))
    assert eventually(doctor.latest) is not None
    for parts in 10 * ({"Redis"}, {"API"}):
        doctor.latest(frozenset(parts))
    assert runs == [1]


def test_a_report_is_shown_while_still_more_parts_become_unwell_and_the_next_one_runs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """API and consumer notice one after the other that Redis is gone."""
    monkeypatch.setattr(diagnosis, "run_checks", lambda _system, hanging: [])
    monkeypatch.setattr(diagnosis, "find_system", lambda _: None)
    monkeypatch.setattr(diagnosis, "PAUSE_SECONDS", 3_600.0)
    doctor = diagnosis.Doctor(Endpoints({}, "monitor"))
    first = eventually(lambda: doctor.latest(frozenset({"Redis"})))
    assert doctor.latest(frozenset({"Redis", "API"})) is first
    assert eventually(lambda: doctor.latest(frozenset({"Redis", "API"})) is not first)
    assert doctor.latest(frozenset({"API"})) is None, "Redis is back"
