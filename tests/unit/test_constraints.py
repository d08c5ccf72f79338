"""constraints.txt pins what `make setup` installs, whatever is published later."""

import re
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]


def _pinned() -> dict[str, Requirement]:
    lines = re.findall(r"^(\S[^\\\n]*==[^\\\n]*)", (ROOT / "constraints.txt").read_text(), re.M)
    requirements = [Requirement(line.strip()) for line in lines]
    return {canonicalize_name(each.name): each for each in requirements}


def test_each_extra_that_a_package_asks_for_is_pinned_with_it() -> None:
    """With only `name` pinned, pip 23 takes the newest version for `name[extra]`, and fails."""
    pinned = _pinned()
    asked = set()
    for name, requirement in pinned.items():
        try:
            needs = metadata.requires(name) or []
        except metadata.PackageNotFoundError:  # of another system
            continue
        for need in map(Requirement, needs):
            extras = ["", *requirement.extras]
            wanted = need.marker is None or any(
                need.marker.evaluate({"extra": extra}) for extra in extras
            )
            if wanted and need.extras:
                asked.add(canonicalize_name(need.name))
                assert need.extras <= pinned[canonicalize_name(need.name)].extras, (name, need)
    assert "coverage" in asked, "pytest-cov asks for coverage[toml]"
