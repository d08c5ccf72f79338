"""The compose file, for real: what is claimed there is issued, whatever is killed meanwhile."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.compose.containers import Containers
from tests.waiting import eventually

pytestmark = pytest.mark.timeout(1500)

REQUESTED = "SELECT user_id FROM coupon_issue_request WHERE coupon_id = %s"
ISSUED = "SELECT user_id FROM issued_coupon WHERE coupon_id = %s"
BACK_SECONDS = 90
CLAIMANTS = 1500
THREADS = 8


def create_coupon(containers: Containers, total_quantity: int) -> int:
    body = {"name": "Compose", "total_quantity": total_quantity}
    answer = containers.call("POST", "/coupons", 1, "coupon:admin", body)
    assert answer.status_code == 201, answer.text
    return int(answer.json()["id"])


def claim(containers: Containers, coupon_id: int, user_id: int) -> int:
    """The status of the first real answer; the API may be away for a while."""
    path = f"/coupons/{coupon_id}/issue-requests"

    def answered() -> int:
        status = containers.call("POST", path, user_id, "coupon:issue").status_code
        return 0 if status == 503 else status

    return eventually(answered, BACK_SECONDS, f"answer to user {user_id}")


def test_a_claim_by_http_becomes_an_issued_coupon(containers: Containers) -> None:
    coupon_id = create_coupon(containers, 1)
    path = f"/coupons/{coupon_id}/issue-requests"
    answer = containers.call("POST", path, 4711, "coupon:issue")
    assert answer.status_code == 202, answer.text
    where = f"{answer.headers['Location']}?wait=10"
    eventually(
        lambda: containers.call("GET", where, 4711, "coupon:issue").json()["status"] == "ISSUED",
        within_s=30,
    )
    assert containers.users(ISSUED, coupon_id) == {4711}
    assert containers.call("POST", path, 4712, "coupon:issue").status_code == 409


def test_the_connector_runs_from_the_file_of_the_embedded_stack(containers: Containers) -> None:
    state = containers.connect("/connectors/coupon-cdc/status")
    assert [state["connector"]["state"], *(task["state"] for task in state["tasks"])] == [
        "RUNNING",
        "RUNNING",
    ]


@pytest.mark.parametrize("service", ["consumer", "api"])
def test_what_was_accepted_while_a_container_is_killed_is_issued(
    containers: Containers, service: str
) -> None:
    coupon_id = create_coupon(containers, CLAIMANTS)
    with ThreadPoolExecutor(THREADS) as pool:
        claims = {
            user_id: pool.submit(claim, containers, coupon_id, user_id)
            for user_id in range(1, CLAIMANTS + 1)
        }
        eventually(lambda: len(containers.users(REQUESTED, coupon_id)) > CLAIMANTS // 10, 60)
        containers.kill_and_start(service)
        assert not all(each.done() for each in claims.values()), "killed too late"
    statuses = {user_id: each.result() for user_id, each in claims.items()}
    # 200: the first answer was lost with the API, the claim was not.
    accepted = {user_id for user_id, status in statuses.items() if status in (200, 202)}
    assert accepted == set(statuses)
    assert containers.users(REQUESTED, coupon_id) >= accepted
    eventually(lambda: containers.users(ISSUED, coupon_id) >= accepted, BACK_SECONDS)
    eventually(lambda: containers.healthy(service), BACK_SECONDS)
