"""The rows of the drill say what the runbook and the alerts say."""

import re

import pytest

from chaos.drill.catalogue import NOT_CAUSED, STATES
from chaos.drill.state import State
from docs.make.alerts import WITHOUT_ALERT, alerts
from operations.doctor.findings import Section
from tests.support.typed import ROOT, spans
from tests.unit.test_runbook import PAGES

CAUSED = {section for state in STATES.values() for section in state.doctor}
WITHOUT_ANY_ALERT = {Section.TOPICS}


def alerts_of(section: Section) -> set[str]:
    """Those that link to the state; else the one as which it shows, and those of its reason."""
    own = {each.name for each in alerts() if each.section is section}
    shown_as, why = WITHOUT_ALERT.get(section, ("", ""))
    return own | {shown_as, *re.findall(r"Coupon\w+", why)}


@pytest.mark.parametrize("section", Section)
def test_every_state_is_caused_or_has_a_reason_why_not(section: Section) -> None:
    assert (section in CAUSED) != (section in NOT_CAUSED)


@pytest.mark.parametrize("section", NOT_CAUSED)
def test_a_reason_names_what_causes_the_state_instead(section: Section) -> None:
    named = re.findall(r"tests/\w+/\w+\.py|`python -m chaos", NOT_CAUSED[section])
    assert named
    assert all((ROOT / each).exists() for each in named if each.startswith("tests/"))


@pytest.mark.parametrize("state", STATES.values(), ids=STATES)
def test_what_is_typed_is_in_the_runbook(state: State) -> None:
    printed = {line for section in state.doctor for line in spans(PAGES[section])}
    # The last line of the section on a cause may send the reader to another one.
    printed |= set(spans(PAGES[Section.DEAD_LETTERS]))
    assert set(state.type) <= printed


@pytest.mark.parametrize("state", STATES.values(), ids=STATES)
def test_its_alerts_are_those_of_the_state(state: State) -> None:
    allowed = {name for section in state.doctor for name in alerts_of(section)}
    assert set(state.alerts) <= allowed
    assert state.alerts or state.section in WITHOUT_ANY_ALERT
