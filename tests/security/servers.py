"""Servers that talk TLS, and to nobody without it."""

import os
import shutil
import socket
import ssl
from pathlib import Path

from stack.environment import server_environment
from stack.parts import Part
from stack.ports import HOST, free_ports
from stack.processes import Command
from tests.support.certificates import Authority, Pair
from tests.support.servers import PostgresServer, Server, new_folder

_ACCESS = """
# Only for the probe that tells whether the server is up.
hostnossl postgres postgres 127.0.0.1/32 scram-sha-256
hostssl all all 127.0.0.1/32 scram-sha-256
hostssl replication all 127.0.0.1/32 scram-sha-256
"""


class TlsPostgres(PostgresServer):
    """Takes roles of the project over TLS only. parameters: of every URL that may reach it."""

    def __init__(self, path: Path, pair: Pair) -> None:
        super().__init__(path)
        self._pair = pair

    def start(self) -> None:
        """Start it, give it its certificate, and start it again."""
        super().start()
        assert self.home is not None
        data = self.home / "data"
        owner = data.stat()
        for source, name in ((self._pair.certificate, "tls.crt"), (self._pair.key, "tls.key")):
            shutil.copyfile(source, data / name)
            (data / name).chmod(0o600)
            os.chown(data / name, owner.st_uid, owner.st_gid)
        with (data / "postgresql.conf").open("a") as settings:
            settings.write("ssl = on\nssl_cert_file = 'tls.crt'\nssl_key_file = 'tls.key'\n")
        (data / "pg_hba.conf").write_text(_ACCESS)
        self.stop()
        super().start()


def tls_redis_program() -> Path | None:
    """A Redis-compatible server on the PATH that was built with TLS."""
    for name in ("valkey-server", "redis-server"):
        if (found := shutil.which(name)) and b"SSL_CTX_new" in Path(found).read_bytes():
            return Path(found)
    return None


class TlsRedis(Server):
    """Listens with TLS only."""

    def __init__(self, path: Path, program: Path, pair: Pair, authority: Authority) -> None:
        self.port = free_ports(["redis"])["redis"]
        self._authority = authority
        options = {
            "port": "0",
            "tls-port": str(self.port),
            "bind": HOST,
            "tls-cert-file": str(pair.certificate),
            "tls-key-file": str(pair.key),
            "tls-ca-cert-file": str(authority.file),
            "tls-auth-clients": "no",
            "save": "",
        }
        words = [word for name, value in options.items() for word in (f"--{name}", value)]
        command = Command([program, *words], server_environment(), path)
        part = Part("redis", lambda: command, self._answers, {"redis": self.port})
        super().__init__(new_folder(path), part)

    def url(self, authority: Authority) -> str:
        """For a client that trusts this authority."""
        return f"rediss://{HOST}:{self.port}/0?ssl_ca_certs={authority.file}"

    def _answers(self) -> bool:
        context = ssl.create_default_context(cafile=self._authority.file)
        context.check_hostname = False
        try:
            with (
                socket.create_connection((HOST, self.port), timeout=2) as plain,
                context.wrap_socket(plain, server_hostname=HOST) as secured,
            ):
                secured.sendall(b"PING\r\n")
                return secured.recv(5) == b"+PONG"
        except OSError:
            return False
