"""Kafka: one KRaft node that is broker and controller."""

import base64
import subprocess
import uuid
from importlib import resources
from pathlib import Path

from stack.environment import server_environment
from stack.errors import StackError
from stack.folder import StateFolder
from stack.java import JavaProgram, java_command
from stack.parts import Part
from stack.ports import HOST
from stack.probes import kafka_ready
from stack.processes import Command

_HEAP_MIB = 320
_SETTINGS = """
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers={host}:{controller}
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller}
advertised.listeners=PLAINTEXT://{host}:{port}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs={data}
auto.create.topics.enable=false
default.replication.factor=1
min.insync.replicas=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=4
group.initial.rebalance.delay.ms=0
# The cleaner allocates this much heap at once; its default is 128 MiB.
log.cleaner.dedupe.buffer.size=4194304
num.network.threads=2
num.io.threads=4
# After a SIGKILL the broker may join again only when its old session has ended (default 9000).
broker.session.timeout.ms=4000
broker.heartbeat.interval.ms=1000
# Records removed up to so long before a SIGKILL come back after it (default 60000).
log.flush.start.offset.checkpoint.interval.ms=5000
"""


def java_properties(home: Path) -> dict[str, object]:
    """System properties of Kafka and Connect: their logging, and temporary files of their own."""
    temporary = home / "tmp"
    temporary.mkdir(mode=0o700, parents=True, exist_ok=True)
    logging = resources.files("stack") / "log4j2.properties"
    return {"log4j2.configurationFile": logging, "java.io.tmpdir": temporary}


def classpath(libraries: Path) -> str:
    """Every jar of Kafka and Connect; `libraries` is the bundle in the cache."""
    return f"{libraries}/jars/*"


def kafka_part(folder: StateFolder, libraries: Path, port: int, controller_port: int) -> Part:
    """The node listens on `port` for clients and on `controller_port` for itself."""
    home = folder.path / "kafka"

    def command() -> Command:
        properties = java_properties(home)
        settings = home / "server.properties"
        settings.write_text(
            _SETTINGS.format(host=HOST, port=port, controller=controller_port, data=home / "data")
        )
        if not (home / "data" / "meta.properties").exists():
            _format(libraries, settings, home)
        program = JavaProgram(
            "kafka", "kafka.Kafka", classpath(libraries), _HEAP_MIB, properties=properties
        )
        return java_command(program, [settings], server_environment(), home)

    ports = {"kafka": port, "kafka-controller": controller_port}
    return Part("kafka", command, lambda: kafka_ready(port), ports)


def _format(libraries: Path, settings: Path, home: Path) -> None:
    cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "_")
    tool = JavaProgram("format", "kafka.tools.StorageTool", classpath(libraries), 64)
    args = tool.args("format", "--standalone", "-t", cluster, "-c", settings)
    done = subprocess.run(
        args, cwd=home, env=server_environment(), capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise StackError(f"Kafka could not format {home / 'data'}:\n{done.stdout}{done.stderr}")
