"""What the doctor says of dead letters helps with what they are."""

import pytest

from coupons.change_events import REQUEST_TOPIC
from coupons.change_events.dead_letter_headers import DeadLetterMetadata
from coupons.change_events.dead_letter_topic import DeadLetter
from coupons.model import IssueRequest, Status
from operations.dead_letters.status import DeadLetterStatus, State
from operations.doctor.dead_letters import dead_letters_finding
from operations.doctor.findings import Level

METADATA = DeadLetterMetadata(REQUEST_TOPIC, 0, 17, 0, "UndecodableEvent", "no schema 6", 1, "1")
LETTER = DeadLetter(0, 17, 0, None, b"", [], METADATA)
REQUEST = IssueRequest(7, 11, 0, Status.REQUESTED)
OPEN = DeadLetterStatus(LETTER, State.OPEN, (7, 11), REQUEST, None, None, is_guessed=False)
GARBAGE = OPEN._replace(key=None, request=None)


def test_what_nobody_can_read_is_streamed_again_from_the_ledger() -> None:
    """Written back, its record would fail again."""
    found = dead_letters_finding([OPEN, OPEN._replace(is_guessed=True)])
    assert (found.level, found.command) == (Level.FAILING, "coupon connector recover --emit")
    assert "can read 1 of them" in found.says


@pytest.mark.parametrize(("status", "level"), [(OPEN, Level.FAILING), (GARBAGE, Level.WARNING)])
def test_of_the_others_somebody_has_to_look_at_the_cause(
    status: DeadLetterStatus, level: Level
) -> None:
    found = dead_letters_finding([status])
    assert (found.level, found.command) == (level, "coupon dead-letters list")


def test_a_lost_schema_of_what_is_resolved_is_no_finding() -> None:
    resolved = OPEN._replace(state=State.RESOLVED, is_guessed=True)
    assert dead_letters_finding([resolved]).level is Level.OK
