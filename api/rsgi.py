"""The Flask application on an event loop, behind the server's interface (RSGI).

Routing, authentication and whatever else does not wait is Flask's, as under any server. A view that
has to wait for others returns a coroutine, which costs no thread while it waits: claims wait for
their batch, long polls for their request. Claims, the hot path, begin in the event loop itself; any
other request begins in a thread, because it may ask a database.
"""

import asyncio
import sys
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from io import BytesIO
from time import perf_counter
from typing import TYPE_CHECKING, Any

from flask import Flask, request

from api.answers import Reply, reply_of
from api.problems import answer_to
from api.request_ids import X_REQUEST_ID, request_id_for
from api.stopping import when_stopping
from coupons.metrics import API_RESPONSE_SECONDS, API_RESPONSES

if TYPE_CHECKING:
    from granian._granian import RSGIHTTPProtocol as HTTPProtocol
    from granian.rsgi import Scope

Environ = dict[str, Any]
Told = Reply | Coroutine[Any, Any, Reply]
"""What a view comes to: a reply, or a coroutine that will have one."""

_SAME_FOR_ALL: Environ = {
    "SCRIPT_NAME": "",
    "wsgi.version": (1, 0),
    "wsgi.errors": sys.stderr,
    "wsgi.multithread": True,
    "wsgi.multiprocess": True,
    "wsgi.run_once": False,
}


class RsgiApp:
    """One worker's application.

    begins_in_loop: of a method and path, whether the view does nothing but compute until it returns
    its coroutine. threads: how many other requests are worked on at once. on_stop: called once in
    the event loop when the worker is told to stop; what is in flight is still answered.
    """

    def __init__(
        self,
        app: Flask,
        begins_in_loop: Callable[[str, str], bool],
        threads: int,
        on_stop: Callable[[], None],
    ) -> None:
        self.flask = app
        self._begins_in_loop = begins_in_loop
        self._threads = ThreadPoolExecutor(threads, "request")
        self._on_stop = on_stop

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Called by the server before it serves."""
        loop.set_default_executor(self._threads)
        when_stopping(loop, self._on_stop)

    async def __rsgi__(self, scope: "Scope", protocol: "HTTPProtocol") -> None:
        """Answer one request."""
        arrived = perf_counter()
        environ = _environ(scope)
        x_request_id = request_id_for(environ.get("HTTP_X_REQUEST_ID"))
        environ[X_REQUEST_ID] = x_request_id
        if self._begins_in_loop(scope.method, scope.path):
            route, told = self._begin(environ)
        else:
            await self._read_body(environ, protocol)
            loop = asyncio.get_running_loop()
            route, told = await loop.run_in_executor(None, self._begin, environ)
        reply = told if isinstance(told, Reply) else await _outcome(told, scope, x_request_id)
        _responses(route, reply.status).inc()
        if "wait=" not in scope.query_string:
            _seconds(route).observe(perf_counter() - arrived)
        body = b"" if scope.method == "HEAD" else reply.body
        reply.headers.append(("x-request-id", x_request_id))
        protocol.response_bytes(reply.status, reply.headers, body)

    def _begin(self, environ: Environ) -> tuple[str, Told]:
        """Let Flask route the request and call its view. Returns the route's name too."""
        app = self.flask
        with app.request_context(environ):
            try:
                told: Any = app.dispatch_request()
            except Exception as error:
                told = app.handle_user_exception(error)
            if not asyncio.iscoroutine(told):
                told = reply_of(app.finalize_request(told))
            return request.endpoint or "none", told

    async def _read_body(self, environ: Environ, protocol: "HTTPProtocol") -> None:
        """Read the body into the environment, of one that is too large enough for Flask to say so.

        Its length is what was read, whatever the client announced, and how.
        """
        chunked = environ.pop("HTTP_TRANSFER_ENCODING", None)
        if chunked is None and environ.get("CONTENT_LENGTH", "0") == "0":
            return
        most = self.flask.config["MAX_CONTENT_LENGTH"]
        body = bytearray()
        async for chunk in protocol:
            body += chunk
            if len(body) > most:
                break
        environ["CONTENT_LENGTH"] = str(len(body))
        environ["wsgi.input"] = BytesIO(body)


async def _outcome(told: Coroutine[Any, Any, Reply], scope: "Scope", x_request_id: str) -> Reply:
    try:
        return await told
    except Exception as error:
        return reply_of(answer_to(error, f"{scope.method} {scope.path}", x_request_id))


def _environ(scope: "Scope") -> Environ:
    """The request as WSGI (PEP 3333) has it, without its body."""
    server_name, _, server_port = scope.server.rpartition(":")
    environ = {
        **_SAME_FOR_ALL,
        "REQUEST_METHOD": scope.method,
        "PATH_INFO": scope.path.encode().decode("latin-1"),
        "QUERY_STRING": scope.query_string,
        "SERVER_NAME": server_name,
        "SERVER_PORT": server_port,
        "SERVER_PROTOCOL": f"HTTP/{scope.http_version}",
        "REMOTE_ADDR": scope.client.rpartition(":")[0],
        "wsgi.url_scheme": scope.scheme,
        "wsgi.input": BytesIO(),
    }
    for name, value in scope.headers.items():
        key = _HEADERS.get(name) or "HTTP_" + name.upper().replace("-", "_")
        environ[key] = f"{environ[key]},{value}" if key in environ else value
    return environ


_HEADERS = {"content-type": "CONTENT_TYPE", "content-length": "CONTENT_LENGTH"}

# Looking a labelled metric up costs more than counting; there are few routes and statuses.
_responses = cache(API_RESPONSES.labels)
_seconds = cache(API_RESPONSE_SECONDS.labels)
