"""The compose file, for real: what is claimed there is issued, whatever is killed meanwhile."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import count
from threading import Event, Lock

import pytest
import requests

from connectors.register import CONNECTOR_FILE
from coupons.waiting import eventually
from tests.compose.containers import Containers

pytestmark = pytest.mark.timeout(1200)

REQUESTED = "SELECT user_id FROM coupon_issue_request WHERE coupon_id = %s"
ISSUED = "SELECT user_id FROM issued_coupon WHERE coupon_id = %s"
SERVICES = (
    "api",
    "consumer",
    "reconciler",
    "monitor",
    "valkey",
    "postgres",
    "kafka",
    "registry",
    "connect",
)
LONG_ENOUGH_SECONDS = 300.0
"""Bounds waiting on a machine that is busy with other things; a quiet one takes a tenth."""
PLACES = 100_000
CLAIMANTS = 3
SOME = 30


def create_coupon(containers: Containers, total_quantity: int) -> int:
    body = {"name": "Compose", "total_quantity": total_quantity}
    answer = containers.call("POST", "/coupons", 1, "coupon:admin", body)
    assert answer.status_code == 201, answer.text
    return int(answer.json()["id"])


class Crowd:
    """People who claim one after the other, each again and again until there is a real answer."""

    def __init__(self, containers: Containers, coupon_id: int) -> None:
        self._containers = containers
        self._path = f"/coupons/{coupon_id}/issue-requests"
        self._users = count(1)
        self._lock = Lock()
        self.accepted: set[int] = set()

    @contextmanager
    def claiming(self) -> Iterator[None]:
        """They claim while the block runs; those who have begun then come to an end."""
        stop = Event()
        with ThreadPoolExecutor(CLAIMANTS) as pool:
            people = [pool.submit(self._claim_until, stop) for _ in range(CLAIMANTS)]
            try:
                yield
            finally:
                stop.set()
        for person in people:
            person.result()

    def more_accepted(self, than: int) -> bool:
        return len(self.accepted) > than

    def _claim_until(self, stop: Event) -> None:
        while not stop.is_set():
            with self._lock:
                user_id = next(self._users)
            # 200: the first answer was lost on its way, the claim was not.
            status = eventually(partial(self._answer, user_id), LONG_ENOUGH_SECONDS, "an answer")
            assert status in (200, 202), status
            with self._lock:
                self.accepted.add(user_id)

    def _answer(self, user_id: int) -> int | None:
        try:
            answer = self._containers.call("POST", self._path, user_id, "coupon:issue")
        except requests.RequestException:
            return None
        return None if answer.status_code == 503 else answer.status_code


def test_with_images_present_all_is_healthy_within_a_minute(
    containers: Containers, capsys: pytest.CaptureFixture[str]
) -> None:
    with capsys.disabled():
        print(f"\ndocker compose up --wait: {containers.up_seconds:.1f} s")
    # The figure is for two quiet cores; this bound is for any machine.
    assert containers.up_seconds < 3 * 60
    for container in containers.containers():
        state = container.attrs["State"]
        ended_well = state["Status"] == "exited" and state["ExitCode"] == 0
        assert ended_well or state["Health"]["Status"] == "healthy", container.name


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
    assert containers.users(REQUESTED, coupon_id) == {4711}
    assert containers.users(ISSUED, coupon_id) == {4711}
    assert containers.call("POST", path, 4712, "coupon:issue").status_code == 409


def test_connect_takes_the_connector_file_of_the_embedded_stack_as_it_is(
    containers: Containers,
) -> None:
    connector = json.loads(CONNECTOR_FILE.read_text())
    path = f"/connectors/{connector['name']}"
    registered = containers.connect(f"{path}/config")
    assert registered == {**connector["config"], "name": connector["name"]}
    assert containers.connect(f"{path}/config", "PUT", connector["config"])["config"] == registered

    def running() -> bool:
        state = containers.connect(f"{path}/status")
        return all(part["state"] == "RUNNING" for part in (state["connector"], *state["tasks"]))

    eventually(running, LONG_ENOUGH_SECONDS)


@pytest.mark.parametrize("service", SERVICES)
def test_what_was_accepted_while_a_container_is_killed_is_issued(
    containers: Containers, service: str
) -> None:
    coupon_id = create_coupon(containers, PLACES)
    crowd = Crowd(containers, coupon_id)
    with crowd.claiming():
        eventually(lambda: crowd.more_accepted(SOME), LONG_ENOUGH_SECONDS)
        before = len(crowd.accepted)
        containers.kill_and_start(service)
        eventually(lambda: containers.healthy(service), LONG_ENOUGH_SECONDS, f"{service} healthy")
        eventually(lambda: crowd.more_accepted(before + SOME), LONG_ENOUGH_SECONDS)
    verified = eventually(
        lambda: containers.coupon("verify", "--coupon", str(coupon_id), "--wait", "10"),
        LONG_ENOUGH_SECONDS,
        "`coupon verify` ends with 0",
    )
    assert [books["complaints"] for books in verified["coupons"]] == [[]]
    assert containers.users(REQUESTED, coupon_id) >= crowd.accepted
    assert containers.users(ISSUED, coupon_id) >= crowd.accepted


def test_the_coupon_command_works_in_a_container_of_the_image(containers: Containers) -> None:
    # Exit code 0: it runs again, whatever was killed before.
    eventually(lambda: containers.run("ops", "connector", "status"), LONG_ENOUGH_SECONDS)
    token = json.loads(containers.run("ops", "token", "--user", "7", "--json"))["token"]
    answer = requests.get(
        f"http://127.0.0.1:{containers.ports['api']}/users/me/coupons",
        headers={"Authorization": f"Bearer {token}"},
        timeout=10,
    )
    assert answer.status_code == 200, answer.text


def test_the_demo_is_a_rush_whose_books_add_up(containers: Containers) -> None:
    shown = containers.run("demo")
    assert "accepted 100 = issued 100 + rejected 0 + in flight 0" in shown
    assert "Everything adds up" in shown
    verified = json.loads(containers.run("ops", "verify", "--wait", "60", "--json"))
    assert [books["complaints"] for books in verified["coupons"] if books["complaints"]] == []


def test_the_bench_measures_the_containers(containers: Containers) -> None:
    shown = containers.run("bench", "--running", "--quick", "full-load")
    [row] = [line for line in shown.splitlines() if line.startswith("| our own generator |")]
    accepted_per_s = float(row.split("|")[2].replace(",", ""))
    assert accepted_per_s > 0
