"""A claim over secured links all the way: HTTPS to the API, TLS from it to Redis and Postgres."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from coupons.tokens import SCOPES, mint_token
from coupons.waiting import eventually
from stack.ports import free_ports
from tests.security.servers import TlsRedis
from tests.support.certificates import Authority, Pair
from tests.support.databases import Database

ROOT = Path(__file__).parents[2]
KEY = "a-key-of-a-test-that-is-long-enough"


@pytest.fixture
def api_url(
    tmp_path: Path, tls_database: Database, tls_redis: TlsRedis, authority: Authority, pair: Pair
) -> Iterator[str]:
    key_file, url_file = tmp_path / "jwt.key", tmp_path / "redis-url"
    key_file.write_text(KEY)
    url_file.write_text(tls_redis.url(authority))
    ports = free_ports(["api", "management"])
    settings = {
        "COUPON_DATABASE_URL": tls_database.url("coupon_api"),
        "COUPON_REDIS_URL_FILE": str(url_file),
        "COUPON_JWT_KEY_FILE": str(key_file),
        "COUPON_API_PORT": str(ports["api"]),
        "COUPON_API_MANAGEMENT_PORT": str(ports["management"]),
        "COUPON_API_WORKERS": "1",
        "COUPON_API_CERTIFICATE_FILE": str(pair.certificate),
        "COUPON_API_KEY_FILE": str(pair.key),
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "api"], env={**os.environ, **settings}, cwd=ROOT
    )
    management_url = f"http://127.0.0.1:{ports['management']}"
    eventually(lambda: _is_ready(management_url), 60, "the API is ready")
    yield f"https://localhost:{ports['api']}"
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0


def test_a_claim_is_accepted_over_https_and_tls(
    api_url: str, authority: Authority, wrong_authority: Authority
) -> None:
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {mint_token(KEY, 7, SCOPES, 600)}"
    trusted = str(authority.file)

    made = session.post(
        f"{api_url}/coupons", json={"name": "T", "total_quantity": 3}, verify=trusted, timeout=10
    )
    place = f"{api_url}{made.headers['Location']}/issue-requests"
    assert session.post(place, verify=trusted, timeout=10).status_code == 202

    with pytest.raises(requests.exceptions.SSLError, match="certificate verify failed"):
        session.post(place, verify=str(wrong_authority.file), timeout=10)
    with pytest.raises(requests.ConnectionError):
        session.get(api_url.replace("https:", "http:") + "/healthz", timeout=10)


def _is_ready(management_url: str) -> bool:
    try:
        return requests.get(f"{management_url}/readyz", timeout=5).ok
    except requests.ConnectionError:
        return False
