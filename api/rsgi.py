"""The Flask application on an event loop, behind the server's interface (RSGI).

Routing, authentication and whatever else does not wait is Flask's, as under any server. A view that
has to wait for others returns a coroutine, which costs no thread while it waits: claims wait for
their batch, long polls for their request. Claims, the hot path, begin in the event loop itself; any
other request begins in a thread, because it may ask a database or wait for its body.

Whatever fails here, the client gets a problem document, and it is counted.
"""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from time import perf_counter
from typing import TYPE_CHECKING, Any

from flask import Flask, request

from api.environ import LONGEST_PATH, Environ, environ_of
from api.metrics import API_REQUEST_DURATION, API_REQUESTS
from api.problems import answer_to
from api.request_body import BodyReader
from api.request_ids import X_REQUEST_ID, request_id_for
from api.responses import RawResponse, raw_response_of
from api.stopping import when_stopping

if TYPE_CHECKING:
    from granian._granian import RSGIHTTPProtocol as HTTPProtocol
    from granian.rsgi import Scope

Told = RawResponse | Coroutine[Any, Any, RawResponse]
"""What a view comes to: a reply, or a coroutine that will have one."""


class RsgiApp:
    """One worker's application.

    begins_in_loop: of a method and path, whether the view does nothing but compute until it returns
    its coroutine. threads: how many other requests are worked on at once. on_stop: called once in
    the event loop when the worker is told to stop; what is in flight is still answered. bodies:
    reads the bodies of requests that begin in a thread.
    """

    def __init__(
        self,
        app: Flask,
        begins_in_loop: Callable[[str, str], bool],
        threads: int,
        on_stop: Callable[[], None],
        bodies: BodyReader,
    ) -> None:
        self.flask = app
        self._begins_in_loop = begins_in_loop
        self._bodies = bodies
        self._threads = ThreadPoolExecutor(threads, "request")
        self._on_stop = on_stop

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Called by the server before it serves."""
        loop.set_default_executor(self._threads)
        when_stopping(loop, self._on_stop)

    async def __rsgi__(self, scope: "Scope", protocol: "HTTPProtocol") -> None:
        """Answer one request."""
        arrived = perf_counter()
        route, x_request_id = "none", ""
        try:
            x_request_id = request_id_for(scope.headers.get("x-request-id"))
            environ = environ_of(scope)
            environ[X_REQUEST_ID] = x_request_id
            if self._begins_in_loop(scope.method, environ["PATH_INFO"]):
                route, told = self._begin(environ)
            else:
                loop = asyncio.get_running_loop()
                self._bodies.offer(environ, protocol, loop)
                route, told = await loop.run_in_executor(None, self._begin, environ)
            reply = told if isinstance(told, RawResponse) else await told
        except Exception as error:
            failed = f"{scope.method} {scope.path[:LONGEST_PATH]}"
            x_request_id = x_request_id or request_id_for(None)
            reply = raw_response_of(answer_to(error, failed, x_request_id))
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
                told = raw_response_of(app.finalize_request(told))
            return request.endpoint or "none", told


# Looking a labelled metric up costs more than counting; there are few routes and statuses.
_responses = cache(API_REQUESTS.labels)
_seconds = cache(API_REQUEST_DURATION.labels)
