"""wrk, another load generator, where it is installed: it checks the figures of our own."""

import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.harness.target import Target
from benchmarks.load.claims import new_users

_SCRIPT = Path(__file__).with_name("wrk.lua")


def wrk_claims_per_second(
    stack: Target, coupon_id: int, connections: int, seconds: int, most: int
) -> float | None:
    """Responses a second to claims by at most `most` new users; None where wrk is missing."""
    if (wrk := shutil.which("wrk")) is None:
        return None
    with TemporaryDirectory() as folder:
        tokens = Path(folder) / "tokens"
        tokens.write_text(
            "\n".join(stack.token(user, "coupon:issue") for user in new_users(most)), "ascii"
        )
        url = f"{stack.environment['COUPON_API_URL']}/coupons/{coupon_id}/issue-requests"
        command = [wrk, "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(_SCRIPT), url]
        done = subprocess.run(
            [*command, "--", str(tokens)], capture_output=True, text=True, check=True
        )
    [rate] = [line.split()[1] for line in done.stdout.splitlines() if "Requests/sec" in line]
    return float(rate)
