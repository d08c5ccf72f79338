"""All checkers, applied to one run."""

from collections.abc import Callable, Iterator

from chaos.checkers.ends import (
    a_sale_keeps_its_counts,
    a_sale_that_stays_is_at_the_gate,
    an_archived_coupon_answers_from_the_ledger,
    an_erased_user_is_nowhere,
    nothing_of_an_archived_coupon_is_at_the_gate,
)
from chaos.checkers.lines import (
    nobody_waits_while_stock_is_left,
    the_line_is_served_in_order,
    who_is_promoted_has_one_request,
    who_joined_is_in_line,
)
from chaos.checkers.lists import (
    nobody_is_admitted_whom_no_list_has,
    the_gate_has_the_list_of_the_ledger,
    who_is_listed_is_not_refused,
)
from chaos.checkers.lives import (
    a_chain_follows_its_rules,
    a_change_gets_an_expected_answer,
    a_change_is_one_row_at_most,
    a_confirmed_change_is_one_row,
    a_refused_change_has_its_reason,
    a_refused_change_is_no_row,
    every_issued_coupon_is_in_one_state,
    one_order_uses_a_coupon_at_a_time,
)
from chaos.checkers.rehearsals import (
    a_rehearsal_is_for_nobody,
    nothing_of_a_rehearsal_is_left,
)
from chaos.checkers.responses import (
    a_final_status_stays,
    a_response_names_its_request,
    an_accepted_claim_is_one_row,
    an_accepted_user_is_not_refused,
    only_expected_responses,
)
from chaos.checkers.rooms import (
    a_position_is_what_the_number_says,
    a_ticket_keeps_its_position,
    an_arrival_gets_an_expected_answer,
    every_number_was_reserved,
    no_position_is_given_twice,
    nobody_is_admitted_before_the_turn,
    who_arrives_later_stands_behind,
    who_has_the_turn_is_not_refused,
)
from chaos.checkers.stock import (
    an_accepted_request_is_issued,
    never_oversold,
    refused_only_when_full,
    sold_out_means_that_all_are_issued,
)
from chaos.checkers.stores import (
    every_request_is_final,
    gate_equals_ledger,
    one_coupon_for_a_user,
)
from chaos.checkers.stream import (
    every_request_is_streamed,
    garbage_is_dead_lettered,
    offsets_follow_rows,
    only_garbage_is_dead_lettered,
)
from chaos.evidence import Evidence
from chaos.history import History

MOST_SHOWN = 20
"""Complaints of one checker that are shown; the others are counted."""

Checker = Callable[[History, Evidence], list[str]]

CHECKERS: tuple[Checker, ...] = (
    only_expected_responses,
    a_response_names_its_request,
    an_accepted_claim_is_one_row,
    every_request_is_final,
    a_final_status_stays,
    never_oversold,
    an_accepted_request_is_issued,
    one_coupon_for_a_user,
    gate_equals_ledger,
    sold_out_means_that_all_are_issued,
    refused_only_when_full,
    an_accepted_user_is_not_refused,
    offsets_follow_rows,
    every_request_is_streamed,
    garbage_is_dead_lettered,
    only_garbage_is_dead_lettered,
    a_change_gets_an_expected_answer,
    a_confirmed_change_is_one_row,
    a_change_is_one_row_at_most,
    a_refused_change_is_no_row,
    one_order_uses_a_coupon_at_a_time,
    a_chain_follows_its_rules,
    every_issued_coupon_is_in_one_state,
    a_refused_change_has_its_reason,
    who_joined_is_in_line,
    the_line_is_served_in_order,
    who_is_promoted_has_one_request,
    nobody_waits_while_stock_is_left,
    an_erased_user_is_nowhere,
    a_sale_keeps_its_counts,
    a_sale_that_stays_is_at_the_gate,
    nothing_of_an_archived_coupon_is_at_the_gate,
    an_archived_coupon_answers_from_the_ledger,
    an_arrival_gets_an_expected_answer,
    a_position_is_what_the_number_says,
    no_position_is_given_twice,
    every_number_was_reserved,
    a_ticket_keeps_its_position,
    who_arrives_later_stands_behind,
    nobody_is_admitted_before_the_turn,
    who_has_the_turn_is_not_refused,
    nobody_is_admitted_whom_no_list_has,
    who_is_listed_is_not_refused,
    the_gate_has_the_list_of_the_ledger,
    a_rehearsal_is_for_nobody,
    nothing_of_a_rehearsal_is_left,
)


def violations(history: History, evidence: Evidence) -> list[str]:
    """The complaints of all checkers, each after the name of its checker."""
    return [
        f"{checker.__name__}: {complaint}"
        for checker in CHECKERS
        for complaint in _shortened(checker(history, evidence))
    ]


def _shortened(complaints: list[str]) -> Iterator[str]:
    yield from complaints[:MOST_SHOWN]
    if len(complaints) > MOST_SHOWN:
        yield f"and {len(complaints) - MOST_SHOWN} more"
