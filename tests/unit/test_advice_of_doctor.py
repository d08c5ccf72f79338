"""What the doctor says to type helps with what it found."""

from dataclasses import replace

import pytest

from coupons.kafka.client import KafkaClient
from operations.dead_letters.selection import NoSuchLetter, named
from operations.doctor.findings import Section
from operations.doctor.health import check_consumers
from operations.doctor.machine import part_finding
from operations.doctor.system import System
from stack.folder import StateFolder
from stack.ports import HOST, free_ports
from stack.report import PartReport

HUNG = PartReport("reconciler", "unhealthy", 0.0, 4711, (29410,), 1, None)


@pytest.mark.parametrize("part", ["reconciler", "consumer-1", "valkey", "api"])
def test_a_part_that_runs_and_does_not_answer_is_restarted(part: str) -> None:
    found = part_finding(replace(HUNG, name=part), None)
    assert found.command == f"coupon restart {part}"


def test_a_part_that_ended_is_started() -> None:
    found = part_finding(replace(HUNG, state="down", last_exit="exit code 1"), None)
    assert (found.command, found.section) == ("coupon up", Section.RECONCILER_DOWN)


@pytest.mark.parametrize("is_part", [True, False])
def test_a_consumer_is_restarted_by_a_command_only_where_there_is_one(
    is_part: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    url = f"http://{HOST}:{free_ports(['consumer'])['consumer']}"
    folder = StateFolder(tmp_path_factory.getbasetemp()) if is_part else None
    name = "consumer-1" if is_part else f"consumer at {url}"
    places = System(folder, None, "", "", KafkaClient(""), "", "", "", consumer_urls={name: url})
    [found] = check_consumers(places)
    assert found.command == ("coupon restart consumer-1" if is_part else "restart that consumer")


def test_a_word_that_names_no_dead_letter_is_told_how_they_are_named() -> None:
    which = "`coupon dead-letters list` shows those that are there"
    with pytest.raises(NoSuchLetter, match=f"is named PARTITION:OFFSET; {which}"):
        named([], ["xx"])
    with pytest.raises(NoSuchLetter, match=f"there is no dead letter 0:17; {which}"):
        named([], ["0:17"])
