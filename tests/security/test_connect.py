"""Links of Kafka Connect: TLS and password to Kafka, a checked certificate of Postgres."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from cdc_consumer.kafka import consumer_settings
from connectors.prepare import create_slot
from connectors.register import CONNECTOR_FILE, register
from connectors.slot import read_slot
from coupons.change_events import REQUEST_TOPIC
from coupons.errors import ConnectorError
from coupons.kafka.client import KafkaClient
from coupons.kafka.security import KafkaSecurity
from coupons.ledger.connection import connect_ledger
from coupons.ledger.requests import accept_requests
from coupons.model import Admission
from coupons.waiting import eventually
from tests.pipeline.pipeline import next_record
from tests.security.connect_server import SecureConnect
from tests.security.kafka_server import PASSWORD, USER, SecureKafka
from tests.security.test_postgres import make_coupon
from tests.support.certificates import Authority
from tests.support.databases import PASSWORDS, Database

JSON = "org.apache.kafka.connect.json.JsonConverter"
ROOT_CERTIFICATE = "database.sslrootcert"


def connector_file(folder: Path, **changes: str) -> Path:
    """The project's connector, but for its converter, so that it needs no schema registry."""
    connector = json.loads(CONNECTOR_FILE.read_text())
    config = {
        name: value
        for name, value in connector["config"].items()
        if not name.startswith(("key.converter", "value.converter"))
    }
    connector["config"] = {**config, "key.converter": JSON, "value.converter": JSON, **changes}
    file = folder / "connector.json"
    file.write_text(json.dumps(connector))
    return file


@pytest.fixture
def kafka(secure_kafka: SecureKafka, authority: Authority, tmp_path: Path) -> KafkaClient:
    password = tmp_path / "password"
    password.write_text(PASSWORD)
    security = KafkaSecurity(
        kafka_security_protocol="SASL_SSL",
        kafka_ca_file=authority.file,
        kafka_sasl_user=USER,
        kafka_sasl_password_file=password,
    )
    return secure_kafka.client("sasl", security)


@contextmanager
def secure_connect(
    path: Path, kafka: SecureKafka, authority: Authority, database: Database
) -> Iterator[SecureConnect]:
    """authority: whose certificates Kafka and Postgres have to show."""
    server = urlsplit(database.superuser_url)
    variables = {
        "COUPON_CDC_DATABASE_HOST": str(server.hostname),
        "COUPON_CDC_DATABASE_PORT": str(server.port),
        "COUPON_CDC_DATABASE_NAME": database.name,
        "COUPON_CDC_DATABASE_USER": "coupon_cdc",
        "COUPON_CDC_DATABASE_PASSWORD": PASSWORDS["coupon_cdc"],
        "COUPON_CDC_DATABASE_SSLMODE": "verify-full",
        "COUPON_CDC_DATABASE_SSLROOTCERT": str(authority.file),
    }
    connect = SecureConnect(path, kafka.ports["sasl"], authority, variables)
    connect.start()
    try:
        yield connect
    finally:
        connect.stop()
        with connect_ledger(database.url("coupon_cdc"), "test") as cdc:
            # A database whose slot is in use cannot be dropped.
            eventually(lambda: not read_slot(cdc).active, 30, "its session has ended")


@pytest.mark.timeout(600)
def test_rows_reach_kafka_over_secured_links_only(
    tmp_path: Path,
    secure_kafka: SecureKafka,
    kafka: KafkaClient,
    authority: Authority,
    wrong_authority: Authority,
    tls_database: Database,
) -> None:
    """Rows reach kafka over secured links only and from the right postgres only."""
    create_slot(tls_database.url("coupon_cdc"))
    with connect_ledger(tls_database.url("coupon_api"), "test") as api:
        coupon = make_coupon(api)
        accept_requests(api, [Admission(coupon.coupon_id, 4711, 1, coupon.gate_epoch, False)])

    with secure_connect(tmp_path, secure_kafka, authority, tls_database) as connect:
        wrong = connector_file(tmp_path, **{ROOT_CERTIFICATE: str(wrong_authority.file)})
        with pytest.raises(ConnectorError, match="connector coupon-cdc is not valid"):
            register(connect.url, kafka, wrong)
        assert register(connect.url, kafka, connector_file(tmp_path)).is_running
        consumer = kafka.consumer(consumer_settings("of-connect", None, lambda *_: None))
        consumer.subscribe([REQUEST_TOPIC])
        record = eventually(lambda: next_record(consumer), 120)
        consumer.close()
    assert record is not None
    assert b"4711" in (record.value() or b"")
