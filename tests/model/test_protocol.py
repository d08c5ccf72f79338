"""The protocol of gate, ledger, change stream and reconciler, in every state of small worlds.

tests/model/README.md says what is modelled and how a change of the protocol begins here.
"""

import pytest

from tests.model.protocol.programs import Programs
from tests.model.protocol.scopes import HARMS, SMALL, Harm, Scope


@pytest.mark.parametrize("scope", SMALL, ids=lambda scope: scope.name)
def test_no_state_of_the_protocol_breaks_a_promise(scope: Scope, protocol: Programs) -> None:
    searched = protocol.search(scope)
    assert searched.violated is None, searched.text
    assert searched.complete, f"the scope is larger than most_states: {searched.text}"


@pytest.mark.parametrize("harm", HARMS, ids=lambda harm: harm.scope.name)
def test_a_protection_taken_away_is_found(harm: Harm, protocol: Programs) -> None:
    violated = protocol.search(harm.scope).violated
    assert violated is not None, "nothing was found"
    numbers = [int(number) for number in violated.partition(":")[0].split(",")]
    assert set(numbers) & set(harm.breaks), violated
