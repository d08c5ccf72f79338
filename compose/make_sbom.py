"""Writes which packages an image holds, as SPDX 2.3: python make_sbom.py NAME VERSION FILE

Python's packages by their metadata and Debian's by dpkg's list. Run while the image is built.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import distributions
from pathlib import Path

_DPKG = ("dpkg-query", "--show", "--showformat=${Package} ${Version} ${Architecture}\n")


def main(name: str, version: str, file: Path) -> None:
    packages = [*_python(), *_debian()]
    moment = int(os.environ.get("SOURCE_DATE_EPOCH") or datetime.now(UTC).timestamp())
    document = {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": f"{name}-{version}",
        "documentNamespace": f"https://spdx.org/spdxdocs/{name}-{version}-{moment}",
        "creationInfo": {
            "created": datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "creators": ["Tool: make_sbom.py"],
        },
        "packages": packages,
        "relationships": [
            {
                "spdxElementId": "SPDXRef-DOCUMENT",
                "relationshipType": "DESCRIBES",
                "relatedSpdxElement": package["SPDXID"],
            }
            for package in packages
        ],
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(document, indent=1) + "\n", "utf-8")
    print(f"{len(packages)} packages in {file}")


def _python() -> Iterator[dict[str, object]]:
    found = {each.name.lower().replace("_", "-"): each for each in distributions()}
    for name, each in sorted(found.items()):
        declared = each.metadata.get("License-Expression") or "NOASSERTION"
        yield _package("pypi", name, each.version, f"pkg:pypi/{name}@{each.version}", declared)


def _debian() -> Iterator[dict[str, object]]:
    listed = subprocess.run(_DPKG, capture_output=True, text=True, check=True).stdout
    for line in listed.splitlines():
        name, version, architecture = line.split()
        purl = f"pkg:deb/debian/{name}@{version}?arch={architecture}"
        yield _package("deb", name, version, purl, "NOASSERTION")


def _package(kind: str, name: str, version: str, purl: str, declared: str) -> dict[str, object]:
    return {
        "SPDXID": f"SPDXRef-{kind}-{re.sub('[^A-Za-z0-9.-]', '-', name)}",
        "name": name,
        "versionInfo": version,
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": False,
        "licenseConcluded": "NOASSERTION",
        "licenseDeclared": declared,
        "copyrightText": "NOASSERTION",
        "externalRefs": [
            {
                "referenceCategory": "PACKAGE-MANAGER",
                "referenceType": "purl",
                "referenceLocator": purl,
            }
        ],
    }


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
