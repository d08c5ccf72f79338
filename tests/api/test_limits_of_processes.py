"""Rate limits over HTTP: processes of the API that count together, and headers as they are sent."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from time import monotonic

import pytest

from stack.ports import free_ports
from tests.support.api_process import STARTS_WITHIN_SECONDS, Bearer, Server, running, start

SETTINGS = {
    "COUPON_API_CLAIMS_PER_USER": "10/hour",
    "COUPON_API_CLAIMS_PER_ADDRESS": "1000/hour",
    "COUPON_API_TRUSTED_PROXIES": "127.0.0.1",
}


@pytest.fixture
def servers(environment: dict[str, str], bearer: Bearer) -> Iterator[list[Server]]:
    """Two, of two workers each."""
    ports = free_ports(["api", "management"])
    other = {
        "COUPON_API_PORT": str(ports["api"]),
        "COUPON_API_MANAGEMENT_PORT": str(ports["management"]),
    }
    limited = {**environment, **SETTINGS}
    with running(limited, bearer) as one, running({**limited, **other}, bearer) as two:
        yield [one, two]


def _claim_through(server: Server, coupon_id: int, bearer: Bearer, *forwarded: str) -> str | None:
    """The header RateLimit of a claim with each of these as a header X-Forwarded-For."""
    connection = HTTPConnection("127.0.0.1", server.port, timeout=30)
    try:
        connection.putrequest("POST", f"/coupons/{coupon_id}/issue-requests")
        for name, value in bearer(7).items():
            connection.putheader(name, value)
        for address in forwarded:
            connection.putheader("X-Forwarded-For", address)
        connection.putheader("Content-Length", "0")
        connection.endheaders()
        return connection.getresponse().getheader("RateLimit")
    finally:
        connection.close()


def _limited_claims(server: Server) -> float:
    counted = 'coupon_api_limited_claims_total{limit="user"} '
    lines = server.manage("/metrics")[1].splitlines()
    return sum(float(line.removeprefix(counted)) for line in lines if line.startswith(counted))


def test_processes_that_count_together_allow_exactly_the_limit(servers: list[Server]) -> None:
    """One user claims 80 times at once, of two servers. Nobody is allowed once more, or less."""
    coupon_id = servers[0].make_coupon()
    began = monotonic()
    with ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(lambda turn: servers[turn % 2].claim(coupon_id, 42), range(80)))
    statuses = [status for status, _, _ in answers]
    assert sorted(statuses) == [200] * 9 + [202] + [429] * 70
    left = 3600 - (monotonic() - began)
    assert all(
        left - 1 <= int(headers["Retry-After"]) <= 3600
        for status, headers, _ in answers
        if status == 429
    )
    assert sum(_limited_claims(server) for server in servers) == 70
    assert servers[1].claim(coupon_id, 43)[0] == 202


def test_headers_of_a_proxy_may_be_several(servers: list[Server], bearer: Bearer) -> None:
    """The last address of the last header is the proxy's; what a client sent stands before it."""
    coupon_id = servers[0].make_coupon()

    def left(*forwarded: str) -> str:
        told = _claim_through(servers[0], coupon_id, bearer, *forwarded)
        return (told or "").rpartition('"address";')[2].partition(";")[0]

    assert left("192.0.2.1") == "r=999"
    assert left("198.51.100.1", "192.0.2.1") == "r=998"
    assert left("192.0.2.1", "198.51.100.1, 192.0.2.1") == "r=997"
    assert left("192.0.2.1", "2001:db8::1") == "r=999"
    assert left() == "r=999"


def test_a_bad_limit_stops_the_process_and_says_why(environment: dict[str, str]) -> None:
    """With the variable, what it holds, and what to write."""
    process = start({**environment, "COUPON_API_CLAIMS_PER_USER": "20 a minute"})
    _, errors = process.communicate(timeout=STARTS_WITHIN_SECONDS)
    assert process.returncode != 0
    said = errors.decode()
    assert "COUPON_API_CLAIMS_PER_USER is '20 a minute'" in said
    assert "such as 20/minute" in said
    assert "Traceback" not in said
