"""The link to Kafka: every client of ours, by TLS and by name and password."""

from pathlib import Path

import pytest

from cdc_consumer.dead_letters import DeadLetters, FailedRecord
from cdc_consumer.kafka import consumer_settings, topics
from cdc_consumer.records import Record
from coupons.change_events import DEAD_LETTER_TOPIC, ensure_topics
from coupons.change_events.producing import PRODUCER_SETTINGS
from coupons.errors import KafkaUnavailable, UndecodableEvent
from coupons.kafka.client import KafkaClient
from coupons.kafka.security import KafkaSecurity
from coupons.waiting import eventually
from tests.pipeline.pipeline import next_record
from tests.security.kafka_server import PASSWORD, USER, SecureKafka
from tests.support.certificates import Authority


@pytest.fixture
def password_file(tmp_path: Path) -> Path:
    file = tmp_path / "password"
    file.write_text(f"{PASSWORD}\n")
    return file


def sasl(authority: Authority, password_file: Path, mechanism: str) -> KafkaSecurity:
    return KafkaSecurity.model_validate(
        {
            "kafka_security_protocol": "SASL_SSL",
            "kafka_ca_file": authority.file,
            "kafka_sasl_mechanism": mechanism,
            "kafka_sasl_user": USER,
            "kafka_sasl_password_file": password_file,
        }
    )


@pytest.fixture(params=["tls", "mutual", "SCRAM-SHA-512", "PLAIN"])
def kafka(
    request: pytest.FixtureRequest,
    secure_kafka: SecureKafka,
    authority: Authority,
    password_file: Path,
) -> KafkaClient:
    """Each way of making oneself known."""
    if request.param in ("tls", "mutual"):
        certificate = authority.client()
        shown = {
            "kafka_certificate_file": certificate.certificate,
            "kafka_key_file": certificate.key,
        }
        security = KafkaSecurity.model_validate(
            {
                "kafka_security_protocol": "SSL",
                "kafka_ca_file": authority.file,
                **(shown if request.param == "mutual" else {}),
            }
        )
        return secure_kafka.client(request.param, security)
    return secure_kafka.client("sasl", sasl(authority, password_file, request.param))


def test_topics_dead_letters_and_consumers_work_over_it(kafka: KafkaClient) -> None:
    ensure_topics(kafka, topics())
    letters = DeadLetters(kafka.producer(PRODUCER_SETTINGS), "test")
    record = Record("of-a-test", 0, 0, b"key", b"value", 0, None)
    letters.deliver([FailedRecord(record, UndecodableEvent("of a test"))], attempts=1)
    assert first_value(kafka) == b"value"


def first_value(kafka: KafkaClient) -> bytes | None:
    """Of the dead letters, as a consumer of ours reads them."""
    consumer = kafka.consumer(consumer_settings("of-a-test", None, lambda *_: None))
    consumer.subscribe([DEAD_LETTER_TOPIC])
    try:
        record = eventually(lambda: next_record(consumer), 60)
        assert record is not None
        return record.value()
    finally:
        consumer.close()


def refusal(kafka: KafkaClient) -> str:
    with pytest.raises(KafkaUnavailable) as refused:
        ensure_topics(kafka, topics())
    assert PASSWORD not in str(refused.value)
    return str(refused.value)


def test_a_kafka_that_another_authority_vouches_for_is_not_spoken_to(
    secure_kafka: SecureKafka, wrong_authority: Authority, password_file: Path
) -> None:
    security = sasl(wrong_authority, password_file, "SCRAM-SHA-512")
    assert "certificate verify failed" in refusal(secure_kafka.client("sasl", security))


def test_a_wrong_password_is_told_as_such(
    secure_kafka: SecureKafka, authority: Authority, tmp_path: Path
) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("another")
    security = sasl(authority, wrong, "SCRAM-SHA-512")
    assert "Authentication failed" in refusal(secure_kafka.client("sasl", security))


def test_who_shows_no_certificate_is_refused_where_one_is_asked_for(
    secure_kafka: SecureKafka, authority: Authority
) -> None:
    security = KafkaSecurity(kafka_security_protocol="SSL", kafka_ca_file=authority.file)
    assert "certificate" in refusal(secure_kafka.client("mutual", security))


def test_a_listener_with_tls_takes_no_plain_connection(secure_kafka: SecureKafka) -> None:
    refusal(secure_kafka.client("tls", KafkaSecurity()))


def test_what_is_shown_of_a_client_holds_no_password(
    authority: Authority, password_file: Path
) -> None:
    client = sasl(authority, password_file, "PLAIN").client("host:1")
    assert client.config()["sasl.password"] == PASSWORD
    assert PASSWORD not in repr(client)
