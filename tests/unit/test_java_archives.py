"""The archives of Java's classes do not pile up in the cache."""

import os
from pathlib import Path

import pytest

from stack.java import MOST_ARCHIVES, forget_old_archives


@pytest.mark.parametrize("present", [0, 1, MOST_ARCHIVES - 1, MOST_ARCHIVES, MOST_ARCHIVES + 3])
def test_the_newest_archives_of_a_program_are_kept(tmp_path: Path, present: int) -> None:
    """With the one that is to come there are at most so many, and other programs keep theirs."""
    other = tmp_path / "connect-0.aot"
    other.touch()
    files = [tmp_path / f"kafka-{number}.aot" for number in range(present)]
    for age_s, file in enumerate(files):
        file.touch()
        os.utime(file, (1_000 - age_s, 1_000 - age_s))
    forget_old_archives(tmp_path / "kafka-new.aot")
    assert sorted(tmp_path.glob("kafka-*.aot")) == files[: MOST_ARCHIVES - 1]
    assert other.exists()
