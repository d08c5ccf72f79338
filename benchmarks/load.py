"""Claims as load: prepared requests by users who never came before, and what became of them."""

import json
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from itertools import count, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg
import requests

from benchmarks.generator import Job, Result
from benchmarks.running import Target
from coupons.model import Coupon, CouponState

ENDLESS = 1_000_000_000
_users = count(1)
_WRK_SCRIPT = Path(__file__).parent / "claims.lua"


def create_coupon(stack: Target, total_quantity: int = ENDLESS) -> int:
    """A coupon over the API, by default one that never sells out; its id."""
    answer = requests.post(
        f"{stack.environment['COUPON_API_URL']}/coupons",
        json={"name": "of a benchmark", "total_quantity": total_quantity},
        headers={"Authorization": f"Bearer {stack.token(1, 'coupon:admin')}"},
        timeout=10,
    )
    answer.raise_for_status()
    return int(answer.json()["id"])


def gate_only_coupon(coupon_id: int, total_quantity: int) -> Coupon:
    """An open coupon, of epoch 1, for a gate that has no ledger behind it."""
    now = datetime.now(UTC)
    return Coupon(
        coupon_id=coupon_id,
        name="of a benchmark",
        total_quantity=total_quantity,
        issued_count=0,
        rejected_count=0,
        issue_starts_at=now,
        issue_ends_at=None,
        state=CouponState.OPEN,
        eligible_group=None,
        version=1,
        gate_epoch=1,
        created_at=now,
    )


def new_users(how_many: int) -> list[int]:
    """Users who never came before in this run."""
    return list(islice(_users, how_many))


def claim_requests(stack: Target, coupon_id: int, users: Sequence[int]) -> list[str]:
    """Whole HTTP requests, each a claim by one of the users."""
    return [
        f"POST /coupons/{coupon_id}/issue-requests HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"Authorization: Bearer {stack.token(user, 'coupon:issue')}\r\n"
        "Content-Length: 0\r\n\r\n"
        for user in users
    ]


def generate(
    stack: Target,
    requests: list[str],
    connections: int,
    seconds: float,
    rate: float | None = None,
    **options: Any,
) -> Result:
    """Send the requests from a process of its own. options: of generator.Job."""
    job = Job(stack.environment["COUPON_API_URL"], requests, connections, seconds, rate, **options)
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.generator"],
        input=json.dumps(asdict(job)),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found = Result(**json.loads(done.stdout))
    found.statuses, found.outcomes = Counter(found.statuses), Counter(found.outcomes)
    return found


def wrk_claims_per_second(
    stack: Target, coupon_id: int, connections: int, seconds: int, most: int
) -> float | None:
    """The same load by wrk, in answers a second; None where wrk is not installed."""
    if (wrk := shutil.which("wrk")) is None:
        return None
    with TemporaryDirectory() as folder:
        tokens = Path(folder) / "tokens"
        tokens.write_text(
            "\n".join(stack.token(next(_users), "coupon:issue") for _ in range(most)), "ascii"
        )
        url = f"{stack.environment['COUPON_API_URL']}/coupons/{coupon_id}/issue-requests"
        command = [wrk, "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(_WRK_SCRIPT), url]
        done = subprocess.run(
            [*command, "--", str(tokens)], capture_output=True, text=True, check=True
        )
    [rate] = [line.split()[1] for line in done.stdout.splitlines() if "Requests/sec" in line]
    return float(rate)


def issued_count(connection: psycopg.Connection, *coupon_ids: int) -> int:
    """Issued coupons of coupons now, by the ledger's counters; the connection in autocommit."""
    row = connection.execute(
        "SELECT sum(issued_count) FROM coupon WHERE coupon_id = ANY(%s)", [list(coupon_ids)]
    ).fetchone()
    assert row is not None
    return int(row[0])


def await_issued(
    connection: psycopg.Connection, coupon_ids: Sequence[int], how_many: int, within_s: float
) -> float:
    """Wait until that many are issued; the seconds it took. Raises TimeoutError."""
    began = time.monotonic()
    while time.monotonic() - began < within_s:
        if issued_count(connection, *coupon_ids) >= how_many:
            return time.monotonic() - began
        time.sleep(0.02)
    raise TimeoutError(f"not {how_many:,} issued within {within_s} s")
