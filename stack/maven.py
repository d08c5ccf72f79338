"""Fetches single Maven artifacts, with no Maven installed."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from stack.artifacts import Artifact
from stack.errors import StackError

_TIMEOUT_S = 60
OnBytes = Callable[[int], None]


def fetch(artifact: Artifact, folder: Path, on_bytes: OnBytes) -> Path:
    """Downloads one artifact into `folder` and returns its path; the content is not checked here.

    `on_bytes` is called with the number of bytes of each piece that arrives. The setting
    COUPON_MAVEN_MIRROR names a repository to ask in place of the public one.
    """
    import requests
    from jgo.maven import MavenContext, PythonResolver

    @contextmanager
    def progress(_filename: str, _size: int) -> Iterator[OnBytes]:
        yield on_bytes

    mirror = os.environ.get("COUPON_MAVEN_MIRROR")
    context = MavenContext(
        resolver=PythonResolver(progress_callback=progress),
        repo_cache=folder,
        local_repos=[],
        remote_repos={"mirror": mirror} if mirror else None,
        timeout=_TIMEOUT_S,
    )
    component = context.project(artifact.group, artifact.name).at_version(artifact.version)
    try:
        return Path(component.artifact(artifact.classifier, artifact.packaging).resolve())
    except (requests.RequestException, RuntimeError, OSError) as error:
        raise StackError(
            f"could not download {artifact.filename}: {error}\n"
            "The first start needs a network connection; nothing was started. Try again when there "
            "is one (COUPON_MAVEN_MIRROR names another Maven repository)."
        ) from error
