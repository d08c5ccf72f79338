"""A variable that looks like a setting and is none is named, with its new name if it has one."""

import os
import re
from pathlib import Path

import pytest

from coupons.process.main import run_process
from coupons.process.settings import ProcessSettings
from coupons.process.variables import RENAMED, ignored_variables, known_variables

ROOT = Path(__file__).parents[2]
CHANGELOG = (ROOT / "CHANGELOG.md").read_text("utf-8")
SETTINGS_OF_0_2_0 = re.compile(r"^Settings:\n\n(.*?)\n\n", re.MULTILINE | re.DOTALL)
RENAMED_ROW = re.compile(r"^\| `(COUPON_\w+)…?` \| `(COUPON_\w+)…?` \|$", re.MULTILINE)


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings that every process needs, and no others."""
    for name in [each for each in os.environ if each.startswith("COUPON_")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr("coupons.process.main.configure_logging", lambda *_: None)
    monkeypatch.setenv("COUPON_DATABASE_URL", "postgresql://role:password@127.0.0.1:1/coupon")
    monkeypatch.setenv("COUPON_REDIS_URL", "redis://127.0.0.1:1/0")


def test_each_renamed_setting_of_the_changelog_is_known_by_its_old_name() -> None:
    said = SETTINGS_OF_0_2_0.search(CHANGELOG)
    assert said
    in_table = dict(RENAMED_ROW.findall(said[1]))
    elsewhere = {"COUPON_API_CLAIM_THREADS": "COUPON_API_THREADS"}
    assert re.search(r"`COUPON_API_CLAIM_THREADS` is now\s+`COUPON_API_THREADS`", CHANGELOG)
    assert {**in_table, **elsewhere} == RENAMED
    assert len(in_table) == 4


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("COUPON_CONSUMER_RECENT_EVENTS", "COUPON_CONSUMER_DLQ_WINDOW"),
        ("COUPON_RECONCILE_INTERVAL_SECONDS", "COUPON_RECONCILER_INTERVAL_SECONDS"),
    ],
)
def test_a_process_names_an_old_setting_and_its_new_name(
    old: str, new: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(old, "7")
    assert run_process(ProcessSettings, lambda _: None) == 0
    assert [record.getMessage() for record in caplog.records] == [
        f"{old} is ignored: set {new} instead, its new name"
    ]


@pytest.mark.parametrize("name", ["COUPON_API_WORKRES", "COUPON_RECONCILE_NOTHING"])
def test_a_process_names_a_variable_that_nobody_reads(
    name: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(name, "a-secret")
    assert run_process(ProcessSettings, lambda _: None) == 0
    assert [record.getMessage() for record in caplog.records] == [
        f"{name} is ignored: no setting has this name; correct it or unset it"
    ]


def test_a_process_that_another_one_started_leaves_the_warning_to_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("COUPON_API_WORKRES", "2")
    assert run_process(ProcessSettings, lambda _: None, warns=False) == 0
    assert caplog.records == []


def test_nobody_warns_of_what_another_process_a_command_or_compose_reads() -> None:
    known = known_variables()
    assert list(ignored_variables([*known, "PATH", "_COUPON_COMPLETE"])) == []
    assert known >= {
        "COUPON_API_WORKERS",
        "COUPON_CDC_DATABASE_HOST",
        "COUPON_CONSUMER_DLQ_WINDOW",
        "COUPON_DATABASE_URL_FILE",
        "COUPON_GRAFANA_PORT",
        "COUPON_JWT_LEEWAY_SECONDS",
        "COUPON_KAFKA_SASL_USER",
        "COUPON_MONITOR_PAGE_URL",
        "COUPON_RECONCILER_PORT",
        "COUPON_STACK_RUN",
        "COUPON_STATE_DIR",
    }
    assert known.isdisjoint(RENAMED)
