"""A process ends with 0 when it was stopped, 1 after an error of the project, 2 by its settings."""

import pytest

from coupons.errors import ConfigurationError, CouponError, KafkaUnavailable
from coupons.process.main import run_process
from coupons.process.settings import ProcessSettings


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coupons.process.main.configure_logging", lambda *_: None)
    monkeypatch.setenv("COUPON_DATABASE_URL", "postgresql://role:password@127.0.0.1:1/coupon")
    monkeypatch.setenv("COUPON_REDIS_URL", "redis://127.0.0.1:1/0")


def test_a_process_that_was_stopped_ends_with_0() -> None:
    assert run_process(ProcessSettings, lambda _: None) == 0


@pytest.mark.parametrize(
    ("error", "code"),
    [(KafkaUnavailable("Kafka ends it"), 1), (ConfigurationError("the port is taken"), 2)],
)
def test_an_error_of_the_project_has_its_exit_code(
    error: CouponError,
    code: int,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(_: ProcessSettings) -> None:
        raise error

    assert run_process(ProcessSettings, fail) == code
    assert str(error) in capsys.readouterr().err + caplog.text


def test_a_missing_setting_is_named_and_ends_it_with_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("COUPON_REDIS_URL")
    assert run_process(ProcessSettings, lambda _: None) == 2
    assert "COUPON_REDIS_URL is not set" in capsys.readouterr().err
