"""Java's options, and the archives of its classes, which do not pile up in the cache."""

import os
from pathlib import Path

import pytest

from stack.java import MOST_ARCHIVES, OPTIONS_VARIABLE, JavaProgram, forget_old_archives


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


def test_options_of_the_environment_come_after_those_of_the_stack(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    program = JavaProgram("kafka", "Main", "a.jar", heap_mib=320)
    monkeypatch.delenv(OPTIONS_VARIABLE, raising=False)
    options = program.args()[1 : program.args().index("-cp")]
    monkeypatch.setenv(OPTIONS_VARIABLE, "-Xint  -Xmx64m")
    args = program.args()
    assert args[1 : args.index("-cp")] == [*options, "-Xint", "-Xmx64m"]
