"""How the link to Kafka is secured: settings from the environment."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from coupons.kafka.client import KafkaClient
from coupons.links.certificates import check_ca_file, check_key_pair, read_secret
from coupons.process.settings import PREFIX, variable_of


def _checked_ca(path: Path) -> Path:
    check_ca_file(path)
    return path


class KafkaSecurity(BaseSettings):
    """How the link to Kafka is secured: the same for the consumer and for `coupon`."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", frozen=True)

    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        default="PLAINTEXT",
        description="Kafka's listener: PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL",
    )
    kafka_ca_file: Annotated[Path, AfterValidator(_checked_ca)] | None = Field(
        default=None,
        description="CA certificates in PEM that the brokers' certificates are checked against;"
        " unset: the system's",
    )
    kafka_certificate_file: Path | None = Field(
        default=None, description="Certificate in PEM that this client shows to the brokers"
    )
    kafka_key_file: Path | None = Field(
        default=None, description="Key of that certificate in PEM, without a password"
    )
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        default="SCRAM-SHA-512",
        description="How SASL proves the password: PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512",
    )
    kafka_sasl_user: str | None = Field(default=None, description="User of Kafka, with SASL")
    kafka_sasl_password_file: Path | None = Field(
        default=None, description="File of that user's password"
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        protocol = self.kafka_security_protocol
        for name, meant_for in _MEANT_FOR.items():
            if getattr(self, name) is not None and meant_for not in protocol:
                raise ValueError(
                    f"{variable_of(name)} is set, but {variable_of('kafka_security_protocol')} is"
                    f" {protocol}, which does not use it: set it to SASL_SSL"
                    f"{' or SSL' if meant_for == 'SSL' else ''}, or unset the file or user"
                )
        self._security()
        return self

    def client(self, bootstrap_servers: str) -> KafkaClient:
        """For the Kafka at host:port,host:port."""
        return KafkaClient(bootstrap_servers, self._security())

    def _security(self) -> dict[str, str]:
        protocol = self.kafka_security_protocol
        security = {"security.protocol": protocol.lower()}
        if self.kafka_ca_file is not None:
            security["ssl.ca.location"] = str(self.kafka_ca_file)
        return security | self._client_certificate() | self._sasl()

    def _client_certificate(self) -> dict[str, str]:
        certificate, key = self.kafka_certificate_file, self.kafka_key_file
        if certificate is None and key is None:
            return {}
        if certificate is None or key is None:
            raise ValueError(
                f"{variable_of('kafka_certificate_file')} and {variable_of('kafka_key_file')}"
                " need each other: set both or none"
            )
        check_key_pair(certificate, key)
        return {"ssl.certificate.location": str(certificate), "ssl.key.location": str(key)}

    def _sasl(self) -> dict[str, str]:
        if "SASL" not in self.kafka_security_protocol:
            return {}
        if self.kafka_sasl_user is None or self.kafka_sasl_password_file is None:
            raise ValueError(
                f"{variable_of('kafka_security_protocol')} is {self.kafka_security_protocol}, which"
                f" needs {variable_of('kafka_sasl_user')} and"
                f" {variable_of('kafka_sasl_password_file')}: set both"
            )
        return {
            "sasl.mechanism": self.kafka_sasl_mechanism,
            "sasl.username": self.kafka_sasl_user,
            "sasl.password": read_secret(self.kafka_sasl_password_file),
        }


_MEANT_FOR = {
    "kafka_ca_file": "SSL",
    "kafka_certificate_file": "SSL",
    "kafka_key_file": "SSL",
    "kafka_sasl_user": "SASL",
    "kafka_sasl_password_file": "SASL",
}
"""The kind of listener that each setting is for; with another listener it would be ignored."""
