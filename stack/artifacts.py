"""The exact Maven artifacts of the stack, each with its size and SHA-256, from `artifacts.json`."""

import hashlib
import json
import platform
from dataclasses import dataclass
from functools import cache
from importlib import resources

from stack.errors import StackError

_SYSTEMS = {
    ("linux", "x86_64"): "linux-amd64",
    ("linux", "aarch64"): "linux-arm64v8",
    ("darwin", "arm64"): "darwin-arm64v8",
}
PLATFORMS = tuple(_SYSTEMS.values())


@dataclass(frozen=True, slots=True)
class Artifact:
    """One file of a Maven repository.

    `bundle` names the set it belongs to: `kafka`, `plugins`, `registry` or `postgres-<platform>`.
    `size` is in bytes, `sha256` in lower-case hex.
    """

    bundle: str
    group: str
    name: str
    version: str
    classifier: str
    packaging: str
    size: int
    sha256: str

    @property
    def filename(self) -> str:
        classifier = f"-{self.classifier}" if self.classifier else ""
        return f"{self.name}-{self.version}{classifier}.{self.packaging}"


@cache
def all_artifacts() -> tuple[Artifact, ...]:
    """Every artifact of the list, for all platforms."""
    text = resources.files(__package__).joinpath("artifacts.json").read_text("utf-8")
    return tuple(Artifact(**entry) for entry in json.loads(text))


def bundle_artifacts(bundle: str) -> tuple[Artifact, ...]:
    """The artifacts of one bundle."""
    return tuple(each for each in all_artifacts() if each.bundle == bundle)


def bundle_key(artifacts: tuple[Artifact, ...]) -> str:
    """A short name for exactly this set of files, so that different sets have different folders."""
    digest = hashlib.sha256("".join(sorted(each.sha256 for each in artifacts)).encode())
    return digest.hexdigest()[:12]


def this_platform() -> str:
    """The Postgres classifier of this machine. Raises StackError where there are no binaries."""
    key = (platform.system().lower(), platform.machine())
    try:
        return _SYSTEMS[key]
    except KeyError:
        raise StackError(
            f"the embedded stack has no Postgres binaries for {key[0]} on {key[1]} "
            f"(there are some for {', '.join(PLATFORMS)}): use the compose stack instead"
        ) from None
