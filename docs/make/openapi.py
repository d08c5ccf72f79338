"""The API's OpenAPI document as a file, and the one that clients may rely on.

python -m docs.make.openapi: what clients may rely on is the present document from now on.
"""

import json
from pathlib import Path
from typing import Any

from api.bootstrap import DESCRIBED
from api.openapi import build_document
from api.routes import health

PROMISED = Path(__file__).parents[1] / "reference" / "openapi-promised.json"
"""A test fails when the present document breaks a client of this one."""


def document() -> dict[str, Any]:
    """The document that the API serves."""
    return build_document([each.openapi_part() for each in (*DESCRIBED, health)])


def render() -> str:
    """The file."""
    return json.dumps(document(), indent=1) + "\n"


if __name__ == "__main__":
    PROMISED.write_text(render(), "utf-8")
