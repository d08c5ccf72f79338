"""A Kafka Connect that reaches Kafka by TLS with a user's password, and Postgres by TLS."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from stack.cache import ensure_bundles
from stack.ports import HOST, free_ports
from stack.processes import Command
from stack.servers.connect import connect_part
from tests.security.kafka_server import PASSWORD, USER
from tests.support.certificates import Authority
from tests.support.servers import Server, new_folder

CLIENTS = ("", "producer.", "consumer.", "admin.")
"""Of the worker itself, and of the clients that it makes for connectors."""

_SECURITY = {
    "security.protocol": "SASL_SSL",
    "ssl.truststore.type": "PEM",
    "sasl.mechanism": "SCRAM-SHA-512",
    "sasl.jaas.config": "org.apache.kafka.common.security.scram.ScramLoginModule required"
    f' username="{USER}" password="{PASSWORD}";',
}


class SecureConnect(Server):
    """variables: COUPON_CDC_..., what the connector may refer to."""

    def __init__(
        self, path: Path, kafka_port: int, authority: Authority, variables: Mapping[str, str]
    ) -> None:
        folder = new_folder(path)
        port = free_ports(["connect"])["connect"]
        bundles = ensure_bundles(lambda *_: None)
        part = connect_part(folder, bundles, port, kafka_port, variables)
        security = {**_SECURITY, "ssl.truststore.location": str(authority.file)}

        def command() -> Command:
            made = part.command()
            with (folder.path / "connect" / "worker.properties").open("a") as settings:
                for client in CLIENTS:
                    for name, value in security.items():
                        settings.write(f"{client}{name}={value}\n")
            return made

        super().__init__(folder, replace(part, command=command, after=(), deadline_s=120.0))
        self.url = f"http://{HOST}:{port}"
