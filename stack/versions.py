"""The versions of `versions.toml`."""

import tomllib
from functools import cache
from importlib import resources


@cache
def versions() -> dict[str, str]:
    """Version by part, for example `{"kafka": "4.3.1", ...}`."""
    text = resources.files(__package__).joinpath("versions.toml").read_text("utf-8")
    return tomllib.loads(text)
