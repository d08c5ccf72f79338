"""The links to the schema registry and to Connect: HTTPS, and a name with a password."""

import base64
import json
import ssl
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from connectors.connect import Connect
from coupons.change_events import SchemaRegistry
from coupons.errors import ConnectorError, SchemaRegistryUnavailable
from tests.support.certificates import Authority, Pair

PASSWORD = "of-a/test"
IN_A_URL = "of-a%2Ftest"
AUTHORIZATION = "Basic " + base64.b64encode(f"coupon:{PASSWORD}".encode()).decode()


class Handler(BaseHTTPRequestHandler):
    """Answers those who know the password with a schema."""

    def do_GET(self) -> None:
        known = self.headers.get("Authorization") == AUTHORIZATION
        self.send_response(200 if known else 401)
        self.end_headers()
        self.wfile.write(json.dumps({"schema": '"string"'} if known else {}).encode())

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@pytest.fixture
def port(pair: Pair) -> Iterator[int]:
    """Of a service with TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


def url(port: int, authority: Authority, password: str = IN_A_URL) -> str:
    return f"https://coupon:{password}@127.0.0.1:{port}?ca_file={authority.file}"


def test_registry_and_connect_are_asked_over_https_with_the_password(
    port: int, authority: Authority
) -> None:
    assert SchemaRegistry(url(port, authority)).writer_schema(1) == "string"
    assert Connect(url(port, authority)).call("GET", "/connectors") == {"schema": '"string"'}


def test_a_registry_that_another_authority_vouches_for_is_not_asked(
    port: int, wrong_authority: Authority
) -> None:
    with pytest.raises(SchemaRegistryUnavailable, match="certificate verify failed") as refused:
        SchemaRegistry(url(port, wrong_authority)).writer_schema(1)
    assert PASSWORD not in str(refused.value)
    assert IN_A_URL not in str(refused.value)


def test_a_connect_that_another_authority_vouches_for_is_not_asked(
    port: int, wrong_authority: Authority
) -> None:
    with pytest.raises(ConnectorError, match="certificate verify failed"):
        Connect(url(port, wrong_authority)).call("GET", "/connectors")


def test_a_wrong_password_is_refused_and_not_shown(port: int, authority: Authority) -> None:
    with pytest.raises(SchemaRegistryUnavailable, match="401") as refused:
        SchemaRegistry(url(port, authority, "wrong-one")).writer_schema(1)
    assert "wrong-one" not in str(refused.value)


def test_a_service_with_tls_is_not_asked_without(port: int) -> None:
    with pytest.raises(SchemaRegistryUnavailable):
        SchemaRegistry(f"http://127.0.0.1:{port}").writer_schema(1)
