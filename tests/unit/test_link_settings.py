"""Settings of links: what is wrong is told at once, by name, and secrets are never shown."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cdc_consumer.settings import ConsumerSettings
from coupons.errors import ConfigurationError
from coupons.links.web import WebService
from coupons.process.settings import load_settings
from tests.support.certificates import Authority

ROOT = Path(__file__).parents[2]
SECRET = "a-secret-of-a-test"
RIGHT = {
    "COUPON_DATABASE_URL": f"postgresql://coupon_consumer:{SECRET}@db/coupon",
    "COUPON_REDIS_URL": f"redis://:{SECRET}@redis:6379/0",
    "COUPON_KAFKA_BOOTSTRAP_SERVERS": "kafka:9092",
    "COUPON_SCHEMA_REGISTRY_URL": f"http://coupon:{SECRET}@registry:8080/apis/ccompat/v7",
    "COUPON_CONSUMER_PORT": "9100",
}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Right settings; a folder with a CA, a certificate, its key, a password and an empty file."""
    for name in list(os.environ):
        if name.startswith("COUPON_"):
            monkeypatch.delenv(name)
    for name, value in RIGHT.items():
        monkeypatch.setenv(name, value)
    authority = Authority(tmp_path, "ca")
    authority.server()
    authority.client()
    (tmp_path / "password").write_text(f"{SECRET}\n")
    (tmp_path / "empty").touch()
    return tmp_path


DATABASE = "COUPON_DATABASE_URL"
REDIS = "COUPON_REDIS_URL"
REGISTRY = "COUPON_SCHEMA_REGISTRY_URL"
KAFKA = "COUPON_KAFKA_"
PROTOCOL = f"{KAFKA}SECURITY_PROTOCOL"
WRONG = [
    ({DATABASE: "postgresql://u@db/coupon?sslmode=verify-ful"}, "sslmode is verify-ful,"),
    ({DATABASE: "postgresql://u@db/coupon?sslmod=verify-full"}, "libpq does not accept it"),
    ({DATABASE: "postgresql://u@db/coupon?sslrootcert={ca.crt}"}, "use sslmode=verify-full"),
    (
        {DATABASE: "postgresql://u@db/coupon?sslmode=verify-full&sslrootcert={missing}"},
        "missing cannot be read",
    ),
    ({REDIS: "redis://redis:6379/0?ssl_ca_certs={ca.crt}"}, "rediss://"),
    ({REDIS: "rediss://redis:6379/0?ssl_ca_certs={empty}"}, "does not hold certificates"),
    ({REGISTRY: "https://registry/v7?cafile={ca.crt}"}, "only ca_file is"),
    ({REGISTRY: "http://registry/v7?ca_file={ca.crt}"}, "https:// only"),
    ({REGISTRY: "https://registry/v7?ca_file={missing}"}, "missing cannot be read"),
    ({PROTOCOL: "TLS"}, f"{PROTOCOL} is 'TLS'"),
    ({PROTOCOL: "SSL", f"{KAFKA}CA_FILE": "{password}"}, "does not hold certificates"),
    ({f"{KAFKA}CA_FILE": "{ca.crt}"}, f"{PROTOCOL} is PLAINTEXT, which does not use it"),
    ({PROTOCOL: "SASL_SSL"}, f"needs {KAFKA}SASL_USER and {KAFKA}SASL_PASSWORD_FILE"),
    (
        {
            PROTOCOL: "SASL_SSL",
            f"{KAFKA}SASL_USER": "u",
            f"{KAFKA}SASL_PASSWORD_FILE": "{empty}",
        },
        "empty is empty",
    ),
    ({PROTOCOL: "SSL", f"{KAFKA}KEY_FILE": "{client.key}"}, "need each other"),
    (
        {
            PROTOCOL: "SSL",
            f"{KAFKA}CERTIFICATE_FILE": "{client.crt}",
            f"{KAFKA}KEY_FILE": "{server.key}",
        },
        "are not a certificate and its key",
    ),
    ({f"{DATABASE}_FILE": "{password}"}, f"{DATABASE} and {DATABASE}_FILE are both set"),
]


@pytest.mark.parametrize(("settings", "told"), WRONG, ids=[told for _, told in WRONG])
def test_a_wrong_setting_of_a_link_is_told_without_its_secrets(
    environment: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], told: str
) -> None:
    for name, value in settings.items():
        file = value.partition("{")[2].partition("}")[0]
        monkeypatch.setenv(name, value.replace(f"{{{file}}}", str(environment / file)))
    with pytest.raises(ConfigurationError) as refused:
        load_settings(ConsumerSettings)
    assert told in str(refused.value)
    assert SECRET not in str(refused.value)


def test_a_secret_may_come_from_a_file(environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(DATABASE)
    (environment / "url").write_text(f"{RIGHT[DATABASE]}\n")
    monkeypatch.setenv(f"{DATABASE}_FILE", str(environment / "url"))
    assert load_settings(ConsumerSettings).database_url.get_secret_value() == RIGHT[DATABASE]


def test_a_file_of_a_secret_that_is_not_there_is_named(
    environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(DATABASE)
    monkeypatch.setenv(f"{DATABASE}_FILE", str(environment / "missing"))
    with pytest.raises(ConfigurationError, match=f"{DATABASE}_FILE: .*missing cannot be read"):
        load_settings(ConsumerSettings)


@pytest.mark.usefixtures("environment")
def test_settings_do_not_show_their_secrets() -> None:
    settings = load_settings(ConsumerSettings)
    assert SECRET not in repr(settings) + str(settings) + repr(settings.kafka)


def test_the_url_of_a_service_is_shown_without_its_password() -> None:
    service = WebService(RIGHT[REGISTRY])
    assert service.url == "http://registry:8080/apis/ccompat/v7"


def test_a_process_with_a_wrong_link_says_so_and_exits_with_2(environment: Path) -> None:
    wrong = {PROTOCOL: "SSL", f"{KAFKA}CA_FILE": str(environment / "missing")}
    done = subprocess.run(
        [sys.executable, "-m", "cdc_consumer"],
        cwd=ROOT,
        env={**os.environ, **wrong},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "missing cannot be read" in done.stderr
    assert "Traceback" not in done.stderr
