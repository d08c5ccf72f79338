"""Many clients at once against one real server: no oversell, no double admission."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier

from coupons.gate import Decision, connect_gate, open_coupon
from coupons.model import Admission, Claim, IssueRequest, Refusal, Status
from tests.support.gate import PROTOTYPE, OpenCoupon

CLIENTS = 16


def _race(valkey_url: str, batches: list[list[Claim]]) -> list[Decision]:
    """Each client has its own connection; all start at once."""
    barrier = Barrier(len(batches))

    def claim(batch: list[Claim]) -> list[Decision]:
        gate = connect_gate(valkey_url)
        barrier.wait()
        return [decision for part in batch for decision in gate.admit([part])]

    with ThreadPoolExecutor(len(batches)) as pool:
        return [decision for decisions in pool.map(claim, batches) for decision in decisions]


def test_clients_that_race_for_the_last_places_get_exactly_those(
    valkey_url: str, opened: OpenCoupon
) -> None:
    opened(total_quantity=100)
    batches = [[Claim(7, client * 1000 + n) for n in range(1, 51)] for client in range(CLIENTS)]
    decisions = _race(valkey_url, batches)
    assert sum(isinstance(decision, Admission) for decision in decisions) == 100
    assert decisions.count(Refusal.SOLD_OUT) == CLIENTS * 50 - 100


def test_one_user_who_claims_from_everywhere_at_once_is_admitted_once(
    valkey_url: str, opened: OpenCoupon
) -> None:
    opened(total_quantity=1000)
    decisions = _race(valkey_url, [[Claim(7, user) for user in range(1, 51)]] * CLIENTS)
    admitted = Counter(
        decision.user_id
        for decision in decisions
        if isinstance(decision, Admission) and not decision.repeated
    )
    assert admitted == dict.fromkeys(range(1, 51), 1)


def test_claims_settling_and_compensation_in_a_race_keep_the_books(
    valkey_url: str, opened: OpenCoupon
) -> None:
    opened(total_quantity=200)

    def live(client: int) -> None:
        gate = connect_gate(valkey_url)
        for n in range(1, 61):
            [decision] = gate.admit([Claim(7, client * 1000 + n)])
            if not isinstance(decision, Admission):
                continue
            if n % 3 == 0:
                gate.compensate([decision])
            elif n % 3 == 1:
                outcome = IssueRequest(7, decision.user_id, decision.requested_at_us, Status.ISSUED)
                gate.settle([outcome, outcome])

    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(live, range(CLIENTS)))
    figures = connect_gate(valkey_url).figures([7])[0]
    assert figures is not None
    assert figures.admitted == figures.compensated + figures.pending + figures.issued
    assert figures.issued + figures.pending == 200
    assert figures.places_left == 0


def test_of_rebuilds_in_a_race_the_newest_epoch_wins(valkey_url: str) -> None:
    def rebuild(epoch: int) -> bool:
        coupon = replace(PROTOTYPE, gate_epoch=epoch)
        requests = [IssueRequest(7, user, 1, Status.ISSUED) for user in range(1, 500)]
        return open_coupon(connect_gate(valkey_url), coupon, requests)

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(rebuild, range(1, 9)))
    figures = connect_gate(valkey_url).figures([7])[0]
    assert figures is not None
    assert (figures.epoch, figures.issued) == (8, 499)
    assert results[-1]
