"""Kafka Connect, with Debezium and the Avro converter in its plugin folder."""

import zipfile
from collections.abc import Mapping
from pathlib import Path

from stack.environment import server_environment
from stack.folder import StateFolder
from stack.java import JavaProgram, java_command
from stack.parts import Part
from stack.ports import HOST
from stack.probes import http_ok
from stack.processes import Command
from stack.servers.kafka import classpath, java_properties

_HEAP_MIB = 320
_SETTINGS = """
bootstrap.servers={host}:{kafka}
group.id=connect
listeners=http://{host}:{port}
key.converter=org.apache.kafka.connect.json.JsonConverter
value.converter=org.apache.kafka.connect.json.JsonConverter
config.storage.topic=connect-configs
offset.storage.topic=connect-offsets
status.storage.topic=connect-status
config.storage.replication.factor=1
offset.storage.replication.factor=1
status.storage.replication.factor=1
offset.storage.partitions=1
status.storage.partitions=1
offset.flush.interval.ms=5000
plugin.path={plugins}
plugin.discovery=service_load
connector.client.config.override.policy=All
topic.creation.enable=true
# A worker that lost its group (Kafka was down) gets its connector back at once, not after 5 min.
scheduled.rebalance.max.delay.ms=0
# A worker that was killed waits until its old session has ended (default 10000).
session.timeout.ms=6000
heartbeat.interval.ms=2000
# Connectors name hosts and secrets as ${{env:COUPON_CDC_...}}; nothing else can be read.
config.providers=env
config.providers.env.class=org.apache.kafka.common.config.provider.EnvVarConfigProvider
config.providers.env.param.allowlist.pattern=^COUPON_CDC_.*
"""
MANIFEST_JAR = "service-manifests.jar"
# The converter's jars lack the manifest that service loading needs.
_CONVERTER_MANIFEST = (
    "META-INF/services/org.apache.kafka.connect.storage.Converter",
    "io.apicurio.registry.utils.converter.AvroConverter\n",
)


def connect_part(
    folder: StateFolder,
    bundles: Mapping[str, Path],
    port: int,
    kafka_port: int,
    variables: Mapping[str, str],
) -> Part:
    """variables (COUPON_CDC_...): the environment that connectors may refer to."""
    home = folder.path / "connect"

    def command() -> Command:
        properties = java_properties(home)
        add_manifest(bundles["plugins"] / "jars" / MANIFEST_JAR)
        settings = home / "worker.properties"
        settings.write_text(
            _SETTINGS.format(host=HOST, port=port, kafka=kafka_port, plugins=bundles["plugins"])
        )
        main = "org.apache.kafka.connect.cli.ConnectDistributed"
        jars = classpath(bundles["kafka"])
        program = JavaProgram("connect", main, jars, _HEAP_MIB, properties=properties)
        return java_command(program, [settings], server_environment(**variables), home)

    return Part(
        "connect",
        command,
        lambda: http_ok(port, "/health"),
        {"connect": port},
        # It refuses to start when its topics have another clean-up policy than it expects.
        after=("kafka", "topics"),
    )


def add_manifest(path: Path) -> None:
    """Create the jar with which `plugin.discovery=service_load` finds the converter."""
    if not path.exists():
        fresh = path.with_suffix(".new")
        with zipfile.ZipFile(fresh, "w") as jar:
            jar.writestr(*_CONVERTER_MANIFEST)
        fresh.replace(path)
