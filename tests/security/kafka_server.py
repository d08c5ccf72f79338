"""A Kafka with secured listeners beside the plain one that its probe needs."""

import base64
import subprocess
import uuid
from pathlib import Path

from coupons.kafka.client import KafkaClient
from coupons.kafka.security import KafkaSecurity
from stack.cache import ensure_bundles
from stack.environment import server_environment
from stack.java import JavaProgram, java_command
from stack.parts import Part
from stack.ports import HOST, free_ports
from stack.probes import kafka_ready
from stack.processes import Command
from stack.servers.kafka import classpath, java_properties
from tests.support.certificates import Authority, Pair
from tests.support.servers import Server, new_folder

USER = "coupon"
PASSWORD = "of-a-test"

_SETTINGS = """
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers={host}:{controller}
listeners={listeners},CONTROLLER://{host}:{controller}
advertised.listeners={listeners}
listener.security.protocol.map=PLAIN:PLAINTEXT,TLS:SSL,MUTUAL:SSL,SASL:SASL_SSL,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAIN
log.dirs={data}
auto.create.topics.enable=false
default.replication.factor=1
min.insync.replicas=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
group.initial.rebalance.delay.ms=0
log.cleaner.dedupe.buffer.size=4194304
ssl.keystore.type=PEM
ssl.keystore.location={keystore}
ssl.truststore.type=PEM
ssl.truststore.location={truststore}
listener.name.mutual.ssl.client.auth=required
sasl.enabled.mechanisms=SCRAM-SHA-512,PLAIN
listener.name.sasl.scram-sha-512.sasl.jaas.config={modules}.scram.ScramLoginModule required;
listener.name.sasl.plain.sasl.jaas.config={modules}.plain.PlainLoginModule required \\
  user_{user}="{password}";
"""


class SecureKafka(Server):
    """ports: of its listeners plain, tls, mutual (asks for a client's certificate) and sasl."""

    def __init__(self, path: Path, pair: Pair, authority: Authority) -> None:
        self.ports = free_ports(["plain", "tls", "mutual", "sasl", "controller"])
        self._libraries = ensure_bundles(lambda *_: None)["kafka"]
        self._home = path / "kafka"
        names = ("plain", "tls", "mutual", "sasl")
        self._settings = _SETTINGS.format(
            listeners=",".join(f"{name.upper()}://{HOST}:{self.ports[name]}" for name in names),
            controller=self.ports["controller"],
            host=HOST,
            data=self._home / "data",
            keystore=pair.both,
            truststore=authority.file,
            modules="org.apache.kafka.common.security",
            user=USER,
            password=PASSWORD,
        )
        probe = self.ports["plain"]
        part = Part("kafka", self._command, lambda: kafka_ready(probe), {"kafka": probe})
        super().__init__(new_folder(path), part)

    def client(self, listener: str, security: KafkaSecurity) -> KafkaClient:
        """Of one of its listeners."""
        return security.client(f"{HOST}:{self.ports[listener]}")

    def _command(self) -> Command:
        properties = java_properties(self._home)
        settings = self._home / "server.properties"
        settings.write_text(self._settings)
        if not (self._home / "data").exists():
            self._format(settings)
        program = JavaProgram(
            "kafka", "kafka.Kafka", classpath(self._libraries), 256, properties=properties
        )
        return java_command(program, [settings], server_environment(), self._home)

    def _format(self, settings: Path) -> None:
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        user = f"SCRAM-SHA-512=[name={USER},password={PASSWORD}]"
        tool = JavaProgram("format", "kafka.tools.StorageTool", classpath(self._libraries), 64)
        args = tool.args(
            *("format", "--standalone", "-t", cluster.replace("-", "_"), "-c", settings),
            *("--add-scram", user),
        )
        subprocess.run(args, cwd=self._home, env=server_environment(), check=True)
