"""The head of a request as WSGI has it. Its size is checked before anything else is done.

The limits are far above what any call of this API needs. Each bounds the work that a request can
cause in the event loop, which it shares with all other requests of the worker.
"""

import sys
from io import BytesIO
from typing import TYPE_CHECKING, Any

from api.problems import Problem, ProblemType

if TYPE_CHECKING:
    from granian.rsgi import Scope

Environ = dict[str, Any]

LONGEST_PATH = 512
LONGEST_QUERY = 1_024
MOST_QUERY_FIELDS = 8
MOST_HEADERS = 64
LARGEST_HEADERS_BYTES = 16_384

SCOPE = "rsgi.scope"
"""Key of the request as the server gave it."""

_SAME_FOR_ALL: Environ = {
    "SCRIPT_NAME": "",
    "wsgi.version": (1, 0),
    "wsgi.errors": sys.stderr,
    "wsgi.multithread": True,
    "wsgi.multiprocess": True,
    "wsgi.run_once": False,
}
_PROTECTING = {"if-match", "idempotency-key"}
"""Without these headers a call is carried out that would be refused with them."""
_HEADERS = {"content-type": "CONTENT_TYPE", "content-length": "CONTENT_LENGTH"}


def environ_of(scope: "Scope") -> Environ:
    """The request as WSGI (PEP 3333) has it, without its body.

    Raises Problem for a head that is too large or malformed.
    """
    path, query = scope.path, scope.query_string
    _check_target(path, query)
    server_name, _, server_port = scope.server.rpartition(":")
    environ = {
        **_SAME_FOR_ALL,
        SCOPE: scope,
        "REQUEST_METHOD": scope.method,
        "PATH_INFO": path.encode().decode("latin-1"),
        "QUERY_STRING": query,
        "SERVER_NAME": server_name,
        "SERVER_PORT": server_port,
        "SERVER_PROTOCOL": f"HTTP/{scope.http_version}",
        "REMOTE_ADDR": scope.client.rpartition(":")[0],
        "wsgi.url_scheme": scope.scheme,
        "wsgi.input": BytesIO(),
    }
    headers = scope.headers.items()
    size = 0
    for name, value in headers:
        size += len(name) + len(value)
        key = _HEADERS.get(name) or "HTTP_" + name.upper().replace("-", "_")
        environ[key] = f"{environ[key]},{value}" if key in environ else value
    if size > LARGEST_HEADERS_BYTES or len(headers) > MOST_HEADERS:
        raise Problem(
            ProblemType.HEADERS_TOO_LARGE,
            f"Send at most {MOST_HEADERS} headers with {LARGEST_HEADERS_BYTES} bytes in total.",
        )
    _check_left_out(set(scope.headers.keys()).difference(name for name, _ in headers))
    return environ


def _check_left_out(names: set[str]) -> None:
    """names: of headers that the server leaves out, because they have bytes beyond ASCII."""
    if missed := names & _PROTECTING:
        raise Problem(
            ProblemType.MALFORMED_REQUEST,
            f"The header {', '.join(sorted(missed))} has bytes that are not ASCII.",
        )


def _check_target(path: str, query: str) -> None:
    if len(path) > LONGEST_PATH or len(query) > LONGEST_QUERY:
        raise Problem(
            ProblemType.URI_TOO_LONG,
            f"A path has at most {LONGEST_PATH} characters, a query string {LONGEST_QUERY}.",
        )
    if not query:
        return
    if not query.isascii():
        raise Problem(
            ProblemType.MALFORMED_REQUEST,
            "The query string has bytes that are not ASCII: percent-encode them.",
        )
    if query.count("&") >= MOST_QUERY_FIELDS:
        raise Problem(
            ProblemType.INVALID, f"A query string has at most {MOST_QUERY_FIELDS} fields."
        )
