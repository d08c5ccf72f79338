"""Any call is answered as the OpenAPI document says: schemathesis makes thousands of them.

By default for about half a minute, always the same ones. COUPON_CONTRACT_EXAMPLES=500 makes more,
COUPON_CONTRACT_SEED=2 others.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from coupons.gate import Gate
from coupons.ids import request_id
from coupons.tokens import SCOPES, mint_token
from coupons.waiting import eventually
from tests.support.api import SECRET
from tests.support.api_process import ROOT, Bearer, Server, running
from tests.support.databases import Database
from tests.support.issuing import requests_issued

EXAMPLES = int(os.environ.get("COUPON_CONTRACT_EXAMPLES", "10"))
"""Random calls an operation; twice as many walks along the links."""
SEED = os.environ.get("COUPON_CONTRACT_SEED", "1")
SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")
SETTINGS = Path(__file__).with_name("schemathesis.toml")
COUPONS = range(101, 113)
LATER, SOLD_OUT, CLOSED = 91, 92, 93
"""Coupons: one that opens in years, one with a standby list, and one that is closed. Lists begin
with the greatest id, so that few links lead to these.
"""
CALLER = 471_147_114_711
"""A user whose id is not met by chance: who is erased has nothing to call for any more."""
LEAST_CASES = 1000
SECONDS = 240 + 10 * EXAMPLES


def test_any_call_is_answered_as_the_document_says(
    environment: dict[str, str],
    receipt_key_file: Path,
    bearer: Bearer,
    database: Database,
    gate: Gate,
    tmp_path: Path,
) -> None:
    """No 5xx; status, headers, type and body as described; what the document allows is taken."""
    environment["COUPON_RECEIPT_KEY_FILE"] = str(receipt_key_file)
    with running(environment, bearer) as server, requests_issued(database, gate):
        codes = _issue_coupons(server)
        _make_others(server)
        done = _run_schemathesis(server, codes, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    found = re.search(r"(\d+) generated", done.stdout)
    assert found is not None, done.stdout
    assert int(found.group(1)) >= LEAST_CASES, done.stdout


def _issue_coupons(server: Server) -> list[str]:
    """So that there is something to call for: without codes, with made ones, and with a pool.

    Returns the made codes.
    """
    for number, coupon in enumerate(COUPONS):
        body = {"id": coupon, "name": "of a test", "total_quantity": 1000}
        assert server.call("POST", "/coupons", body=json.dumps(body))[0] == 201
        if kind := (None, "made", "pool")[number % 3]:
            chosen = json.dumps({"kind": kind})
            assert server.call("PUT", f"/coupons/{coupon}/codes", body=chosen)[0] == 200
        assert server.claim(coupon, CALLER)[0] == 202
    issued = [f"/issued-coupons/{request_id(coupon, CALLER)}" for coupon in COUPONS]
    eventually(lambda: server.call("GET", issued[-1])[0] == 200, what="all are issued")
    for path in issued[::3]:
        order = json.dumps({"order_reference": "order-1"})
        assert server.call("POST", f"{path}/use", body=order)[0] == 200
    given = [server.call("POST", f"{path}/code", CALLER) for path in issued[1::3]]
    return [json.loads(body)["code"] for _, _, body in given]


def _make_others(server: Server) -> None:
    """So that users can wait, and that there is something to archive."""

    def done(method: str, path: str, **body: object) -> None:
        status, _, said = server.call(method, path, body=json.dumps(body) if body else None)
        assert status in (200, 201), said

    later = {"issue_starts_at": "2090-01-01T00:00:00Z"}
    done("POST", "/coupons", id=LATER, name="of a test", total_quantity=9, **later)
    for coupon in (SOLD_OUT, CLOSED):
        done("POST", "/coupons", id=coupon, name="of a test", total_quantity=1)
    assert server.claim(SOLD_OUT, CALLER + 1)[0] == 202
    done("PUT", f"/coupons/{SOLD_OUT}/standby-list", is_on=True)
    done("POST", f"/coupons/{CLOSED}/close")


def _run_schemathesis(
    server: Server, codes: list[str], folder: Path
) -> subprocess.CompletedProcess[str]:
    """Its exit code and what it printed."""
    document, settings = folder / "openapi.json", folder / "schemathesis.toml"
    document.write_text(server.call("GET", "/openapi.json")[2])
    issued = [request_id(coupon, CALLER) for coupon in COUPONS]
    known = "".join(
        _dictionary(name, values)
        for name, values in {
            "coupons": COUPONS,
            "issued_coupons": issued,
            "codes": codes,
            "later": [LATER],
            "sold_out": [SOLD_OUT],
            "closed": [CLOSED],
        }.items()
    )
    settings.write_text(SETTINGS.read_text() + known + _examples())
    command = [str(SCHEMATHESIS), "--config-file", str(settings), "run", str(document)]
    url = f"http://127.0.0.1:{server.port}"
    return subprocess.run(
        [*command, "--url", url, "--seed", SEED],
        cwd=ROOT,
        env={**os.environ, "COUPON_CONTRACT_TOKEN": mint_token(SECRET, CALLER, SCOPES, SECONDS)},
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )


def _dictionary(name: str, values: Iterable[object]) -> str:
    """Values that parameters are drawn from, as schemathesis has it in its settings."""
    return f"\n[dictionaries.{name}]\nvalues = {json.dumps([str(each) for each in values])}\n"


def _examples() -> str:
    phases = {"fuzzing": EXAMPLES, "stateful": 2 * EXAMPLES}
    return "".join(
        f"\n[phases.{phase}.generation]\nmax-examples = {number}\n"
        for phase, number in phases.items()
    )
