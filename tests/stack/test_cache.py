"""Downloads are checked, happen once, and are repaired; against a small Maven repository."""

import functools
import hashlib
import http.server
import io
import ssl
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from stack.artifacts import Artifact
from stack.cache import ensure_bundles
from stack.errors import StackError
from tests.support.certificates import Authority
from tests.support.http_servers import serving

JAR = b"a small jar" * 1000


def _tar(mode: str) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode=mode) as tar:  # type: ignore[call-overload]
        entry = tarfile.TarInfo("bin/server")
        entry.size = 5
        tar.addfile(entry, io.BytesIO(b"hello"))
    return packed.getvalue()


def _jar_around(txz: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as jar:
        jar.writestr("server.txz", txz)
    return packed.getvalue()


@dataclass
class Repository:
    """What is published, as files on disk; `progress` is what the last download reported."""

    folder: Path
    artifacts: list[Artifact]
    progress: list[tuple[int, int]]

    def publish(self, bundle: str, packaging: str, content: bytes) -> None:
        digest = hashlib.sha256(content).hexdigest()
        new = Artifact(bundle, "org.ex", bundle, "1", "", packaging, len(content), digest)
        self.artifacts.append(new)
        path = self.folder / "org" / "ex" / bundle / "1" / new.filename
        path.parent.mkdir(parents=True)
        path.write_bytes(content)

    def ensure(self) -> dict[str, Path]:
        self.progress.clear()
        return ensure_bundles(lambda done, total: self.progress.append((done, total)))


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Repository]:
    """Four bundles published on a local server, and an empty cache folder."""
    published = Repository(tmp_path / "published", [], [])
    published.publish("kafka", "jar", JAR)
    published.publish("plugins", "jar", JAR)
    published.publish("registry", "tar.gz", _tar("w:gz"))
    published.publish("postgres-linux-amd64", "jar", _jar_around(_tar("w:xz")))
    handler = functools.partial(_QuietHandler, directory=str(published.folder))
    with serving(http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)) as server:
        monkeypatch.setenv("COUPON_MAVEN_MIRROR", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setenv("COUPON_CACHE_DIR", str(tmp_path / "cache"))
        monkeypatch.setattr("stack.artifacts.all_artifacts", lambda: tuple(published.artifacts))
        monkeypatch.setattr("stack.cache.this_platform", lambda: "linux-amd64")
        yield published


class _QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_args: object) -> None:
        pass


def _cut_off_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUPON_MAVEN_MIRROR", "http://127.0.0.1:9")


def test_everything_is_downloaded_unpacked_and_counted(repository: Repository) -> None:
    folders = repository.ensure()

    assert (folders["kafka"] / "jars" / "kafka-1.jar").read_bytes() == JAR
    for unpacked in ("registry", "postgres"):
        assert (folders[unpacked] / "bin" / "server").read_bytes() == b"hello"
    total = sum(each.size for each in repository.artifacts)
    assert repository.progress[-1] == (total, total)


def test_a_second_run_needs_no_network(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.ensure()
    _cut_off_network(monkeypatch)
    repository.ensure()
    assert repository.progress == []


@pytest.mark.parametrize("damage", [b"", JAR[:-1], JAR.replace(b"small", b"smalk")])
def test_a_damaged_jar_is_noticed_and_fetched_again(repository: Repository, damage: bytes) -> None:
    jar = repository.ensure()["plugins"] / "jars" / "plugins-1.jar"
    jar.write_bytes(damage)
    repository.ensure()
    assert jar.read_bytes() == JAR
    assert repository.progress[-1] == (len(JAR), len(JAR))


def test_a_damaged_unpacked_server_is_noticed_and_unpacked_again(repository: Repository) -> None:
    server = repository.ensure()["postgres"] / "bin" / "server"
    server.write_bytes(b"hellp")
    repository.ensure()
    assert server.read_bytes() == b"hello"


def test_a_file_that_is_not_the_expected_one_is_refused_and_not_kept(
    repository: Repository, tmp_path: Path
) -> None:
    repository.artifacts[0] = replace(repository.artifacts[0], sha256="0" * 64)
    with pytest.raises(StackError, match=r"kafka-1\.jar.*is not the expected file"):
        repository.ensure()
    assert not list((tmp_path / "cache").rglob("kafka-1.jar"))
    assert not list((tmp_path / "cache").glob("download-*"))


def test_without_a_network_the_first_run_says_so(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    _cut_off_network(monkeypatch)
    with pytest.raises(StackError, match="first start needs a network connection"):
        repository.ensure()


@pytest.fixture
def authority(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Authority]:
    """The repository over HTTPS, with a certificate of a company's own authority."""
    company = Authority(tmp_path / "company", "company")
    pair = company.server()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    handler = functools.partial(_QuietHandler, directory=str(repository.folder))
    secured = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    secured.socket = context.wrap_socket(secured.socket, server_side=True)
    with serving(secured) as server:
        monkeypatch.setenv("COUPON_MAVEN_MIRROR", f"https://localhost:{server.server_port}")
        for variable in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
            monkeypatch.delenv(variable, raising=False)
        yield company


def test_an_authority_that_the_system_trusts_is_trusted(
    repository: Repository, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    assert (repository.ensure()["kafka"] / "jars" / "kafka-1.jar").read_bytes() == JAR


@pytest.mark.usefixtures("authority")
def test_an_unknown_authority_is_refused_with_the_variable_that_helps(
    repository: Repository,
) -> None:
    with pytest.raises(StackError, match="SSL_CERT_FILE=FILE"):
        repository.ensure()
