"""The checkers can fail: each finds a violation when a protection is removed, and only then."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from cdc_consumer.handling import BatchHandler
from tests.faults import life_mutations, life_scenarios, mutations, scenarios
from tests.faults.mutations import Mutation
from tests.faults.rig import Rig, broken
from tests.faults.scenarios import Ground, Scenario
from tests.model.system import System
from tests.support.databases import Database
from tests.support.servers import ValkeyServer

BITES: list[tuple[Mutation, Scenario, str]] = [
    (
        mutations.mark_before_commit,
        scenarios.a_commit_dies_and_the_stock_is_lowered_meanwhile,
        "a_final_status_stays",
    ),
    (
        mutations.commit_offsets_first,
        scenarios.a_consumer_dies_while_it_handles_a_batch,
        "offsets_follow_rows",
    ),
    (
        mutations.commit_offsets_first,
        scenarios.a_consumer_dies_while_it_handles_a_batch,
        "every_request_is_final",
    ),
    (
        mutations.drop_what_came_back,
        scenarios.a_consumer_stands_still_for_longer_than_its_session,
        "offsets_follow_rows",
    ),
    (
        mutations.drop_what_came_back,
        scenarios.a_consumer_stands_still_for_longer_than_its_session,
        "every_request_is_final",
    ),
    (
        mutations.compensate_on_unknown,
        scenarios.the_answer_to_a_commit_is_lost,
        "an_accepted_request_is_issued",
    ),
    (
        mutations.skip_run_id_check,
        scenarios.redis_comes_back_with_older_data,
        "an_accepted_request_is_issued",
    ),
    (
        mutations.drop_the_unique_constraint,
        scenarios.every_event_comes_twice,
        "one_coupon_for_a_user",
    ),
    (
        mutations.answer_before_commit,
        scenarios.the_api_dies_and_redis_forgets,
        "an_accepted_claim_is_one_row",
    ),
    (
        mutations.ignore_the_total,
        scenarios.the_stock_is_lowered_below_what_is_admitted,
        "never_oversold",
    ),
    (
        mutations.no_epoch_fence,
        scenarios.a_claim_arrives_after_a_rebuild,
        "an_accepted_request_is_issued",
    ),
    (
        life_mutations.use_without_a_lock,
        life_scenarios.two_orders_use_a_coupon_at_once,
        "one_order_uses_a_coupon_at_a_time",
    ),
    (
        life_mutations.forget_the_last_state,
        life_scenarios.another_order_uses_a_used_coupon,
        "one_order_uses_a_coupon_at_a_time",
    ),
    (
        life_mutations.forget_the_last_state,
        life_scenarios.the_answer_to_a_use_is_lost,
        "a_change_is_one_row_at_most",
    ),
    (
        life_mutations.confirm_before_commit,
        life_scenarios.another_order_uses_a_used_coupon,
        "a_confirmed_change_is_one_row",
    ),
    (
        life_mutations.refuse_on_unknown,
        life_scenarios.the_answer_to_the_only_use_is_lost,
        "a_refused_change_is_no_row",
    ),
    (
        life_mutations.refuse_on_unknown,
        life_scenarios.the_answer_to_the_only_use_is_lost,
        "a_refused_change_has_its_reason",
    ),
    (
        life_mutations.remember_cancelled_uses,
        life_scenarios.another_order_uses_a_used_coupon,
        "a_refused_change_has_its_reason",
    ),
    (
        life_mutations.remember_cancelled_uses,
        life_scenarios.a_coupon_expires_while_it_is_used,
        "a_refused_change_has_its_reason",
    ),
    (
        life_mutations.ignore_the_time,
        life_scenarios.a_coupon_is_used_after_its_time,
        "a_chain_follows_its_rules",
    ),
    (
        life_mutations.show_the_first_change,
        life_scenarios.a_coupon_is_revoked_and_wanted,
        "every_issued_coupon_is_in_one_state",
    ),
    (
        life_mutations.use_without_a_lock_alone,
        life_scenarios.two_orders_use_a_coupon_at_once,
        "a_change_gets_an_expected_answer",
    ),
    (
        life_mutations.forget_cancelled_orders,
        life_scenarios.an_order_uses_it_again_after_its_cancellation,
        "a_change_is_one_row_at_most",
    ),
    (
        life_mutations.forget_cancelled_orders_alone,
        life_scenarios.the_answer_to_a_cancellation_is_lost,
        "a_refused_change_has_its_reason",
    ),
]


@pytest.fixture
def ground(
    valkey_server: ValkeyServer,
    database: Database,
    handler: BatchHandler,
    tmp_path: Path,
) -> Iterator[Ground]:
    """A database for this test only, because mutations change it."""
    with closing(System(valkey_server, database)) as system:
        yield Ground(Rig(system, handler), database, tmp_path)


@pytest.mark.parametrize(
    "scenario", dict.fromkeys(each[1] for each in BITES), ids=lambda each: each.__name__
)
def test_with_every_protection_in_place_every_promise_is_kept(
    ground: Ground, scenario: Scenario
) -> None:
    scenario(ground)
    assert ground.rig.violations() == []


@pytest.mark.parametrize(
    ("mutation", "scenario", "checker"),
    BITES,
    ids=[f"{mutation.__name__}-{checker}" for mutation, _, checker in BITES],
)
def test_without_it_the_checker_bites(
    ground: Ground,
    monkeypatch: pytest.MonkeyPatch,
    valkey_url: str,
    mutation: Mutation,
    scenario: Scenario,
    checker: str,
) -> None:
    mutation(monkeypatch, ground.database, valkey_url)
    scenario(ground)
    assert checker in broken(ground.rig.violations())


def test_the_unique_constraint_alone_refuses_a_second_coupon(
    ground: Ground, monkeypatch: pytest.MonkeyPatch, valkey_url: str
) -> None:
    """Even when the consumer does not check for an earlier coupon."""
    mutations.forget_who_has_one(monkeypatch, ground.database, valkey_url)
    scenarios.every_event_comes_twice(ground)
    assert not broken(ground.rig.violations()) & {"one_coupon_for_a_user", "never_oversold"}


@pytest.mark.parametrize(
    ("mutation", "scenario"),
    [
        (
            life_mutations.use_without_a_lock_alone,
            life_scenarios.two_orders_use_a_coupon_at_once,
        ),
        (
            life_mutations.forget_the_last_state_alone,
            life_scenarios.another_order_uses_a_used_coupon,
        ),
        (
            life_mutations.forget_cancelled_orders_alone,
            life_scenarios.an_order_uses_it_again_after_its_cancellation,
        ),
    ],
    ids=lambda each: each.__name__,
)
def test_the_constraints_alone_refuse_a_second_use(
    ground: Ground,
    monkeypatch: pytest.MonkeyPatch,
    valkey_url: str,
    mutation: Mutation,
    scenario: Scenario,
) -> None:
    """Even when the function that changes an issued coupon does not look."""
    mutation(monkeypatch, ground.database, valkey_url)
    scenario(ground)
    assert broken(ground.rig.violations()) == {"a_change_gets_an_expected_answer"}
