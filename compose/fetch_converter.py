"""Fetches the Avro converter's jars for the Connect image: python fetch_converter.py FOLDER

The same list, and so the same files, as on the embedded stack. Run while the image is built.
"""

import sys
import tempfile
from pathlib import Path

from stack.artifacts import Artifact, bundle_artifacts
from stack.cache import sha256_of
from stack.errors import StackError
from stack.maven import fetch
from stack.servers.connect import MANIFEST_JAR, add_manifest

# The image has Debezium already, with its driver.
_IN_THE_IMAGE = ("io.debezium", "org.postgresql")


def main(folder: Path) -> None:
    """Put every jar into `folder`. Raises StackError for one that has not its SHA-256."""
    folder.mkdir(parents=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as download:
        for artifact in bundle_artifacts("plugins"):
            if artifact.group not in _IN_THE_IMAGE:
                _fetch(artifact, Path(download), folder)
    add_manifest(folder / MANIFEST_JAR)


def _fetch(artifact: Artifact, download: Path, folder: Path) -> None:
    path = fetch(artifact, download, lambda _arrived: None)
    if (found := sha256_of(path)) != artifact.sha256:
        raise StackError(
            f"{artifact.filename} is not the expected file: its SHA-256 is {found}, the list says "
            f"{artifact.sha256}; something between here and the repository changes files"
        )
    path.rename(folder / artifact.filename)
    print(artifact.filename)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
