"""The schema registry (Apicurio), which keeps its schemas in Postgres."""

from pathlib import Path

from stack.environment import server_environment
from stack.folder import StateFolder
from stack.java import JavaProgram, java_command
from stack.parts import Part
from stack.ports import HOST
from stack.probes import http_ok
from stack.processes import Command

_HEAP_MIB = 128
_NOT_READY_SECONDS = 5
# It answers a few requests a minute: the optimising compiler would cost more than it saves.
_OPTIONS = (
    "-XX:TieredStopAtLevel=1",
    "--add-opens=java.base/java.lang=ALL-UNNAMED",
)


def registry_part(
    folder: StateFolder, programs: Path, port: int, management_port: int, postgres_port: int
) -> Part:
    """programs: the unpacked application. Its health check is on management_port."""
    home = folder.path / "registry"

    def command() -> Command:
        temporary = home / "tmp"
        temporary.mkdir(mode=0o700, parents=True, exist_ok=True)
        properties = {
            "java.io.tmpdir": temporary,
            "java.util.logging.manager": "org.jboss.logmanager.LogManager",
            "quarkus.http.host": HOST,
            "quarkus.http.port": port,
            "quarkus.management.host": HOST,
            "quarkus.management.port": management_port,
            "quarkus.http.access-log.enabled": "false",
            "quarkus.banner.enabled": "false",
            "quarkus.log.console.format": "%d{yyyy-MM-dd'T'HH:mm:ss.SSSXXX} %-5p %c{1}: %m%e%n",
            "apicurio.storage.kind": "sql",
            "apicurio.storage.sql.kind": "postgresql",
            "apicurio.datasource.url": f"jdbc:postgresql://{HOST}:{postgres_port}/registry",
            "apicurio.datasource.username": "coupon_registry",
            "apicurio.datasource.jdbc.initial-size": 1,
            "apicurio.datasource.jdbc.min-size": 1,
            "apicurio.datasource.jdbc.max-size": 5,
            # A connection that Postgres closed while it was restarted must not fail a request.
            "quarkus.datasource.postgresql.jdbc.validate-on-borrow": "true",
            # Two slow answers while it warms up must not make it "not ready" for five minutes.
            **{
                f"apicurio.metrics.{kind}-timeout-readiness-check"
                ".status-reset-window-duration.seconds": _NOT_READY_SECONDS
                for kind in ("response", "persistence")
            },
        }
        main = "io.quarkus.runner.GeneratedMain"
        jars = _classpath(programs)
        program = JavaProgram("registry", main, jars, _HEAP_MIB, _OPTIONS, properties)
        password = folder.secret("coupon_registry")
        env = server_environment(APICURIO_DATASOURCE_PASSWORD=password)
        return java_command(program, [], env, home)

    return Part(
        "registry",
        command,
        lambda: http_ok(management_port, "/health/ready"),
        {"registry": port, "registry-management": management_port},
        after=("postgres",),
    )


def _classpath(programs: Path) -> str:
    """Every jar, in the order of the application's own class loader."""
    first = [programs / "quarkus" / f"{name}-bytecode.jar" for name in ("generated", "transformed")]
    rest = [programs / name / "*" for name in ("app", "lib/main", "lib/boot")]
    return ":".join(str(each) for each in [*first, *rest])
