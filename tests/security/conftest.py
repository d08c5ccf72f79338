"""Certificates made for this run, and servers that show them."""

import shutil
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.security.kafka_server import SecureKafka
from tests.security.servers import TlsPostgres, TlsRedis, tls_redis_program
from tests.support.certificates import Authority, Pair
from tests.support.databases import Database, Databases


@pytest.fixture(scope="package")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The one that signed the servers' certificates."""
    return Authority(tmp_path_factory.mktemp("authority"), "trusted")


@pytest.fixture(scope="package")
def wrong_authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """One that signed none of them."""
    return Authority(tmp_path_factory.mktemp("wrong"), "wrong")


@pytest.fixture(scope="package")
def pair(authority: Authority) -> Pair:
    """What the servers show."""
    return authority.server()


@pytest.fixture(scope="package")
def tls_postgres(tmp_path_factory: pytest.TempPathFactory, pair: Pair) -> Iterator[TlsPostgres]:
    """The embedded stack's Postgres, with TLS."""
    server = TlsPostgres(tmp_path_factory.mktemp("postgres"), pair)
    server.start()
    yield server
    server.stop()
    assert server.home is not None
    shutil.rmtree(server.home)


@pytest.fixture(scope="package")
def tls_databases(tls_postgres: TlsPostgres, authority: Authority) -> Iterator[Databases]:
    """Makes databases on it, as `coupon migrate` does: over TLS."""
    url = f"{tls_postgres.superuser_url}?sslmode=verify-full&sslrootcert={authority.file}"
    with closing(Databases(url)) as databases:
        yield databases


@pytest.fixture
def tls_database(tls_databases: Databases) -> Iterator[Database]:
    """A migrated, empty database for the test; its URLs trust the right authority."""
    with tls_databases.fresh() as made:
        yield made


@pytest.fixture(scope="package")
def tls_redis(
    tmp_path_factory: pytest.TempPathFactory, pair: Pair, authority: Authority
) -> Iterator[TlsRedis]:
    """A Redis of the machine's, with TLS."""
    program = tls_redis_program()
    if program is None:
        pytest.skip("no redis-server or valkey-server built with TLS: apt install redis-server")
    server = TlsRedis(tmp_path_factory.mktemp("redis"), program, pair, authority)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="package")
def secure_kafka(
    tmp_path_factory: pytest.TempPathFactory, pair: Pair, authority: Authority
) -> Iterator[SecureKafka]:
    """The embedded stack's Kafka, with TLS and SASL."""
    server = SecureKafka(tmp_path_factory.mktemp("kafka"), pair, authority)
    server.start()
    yield server
    server.stop()
