"""The Flask application on an event loop, behind the server's interface (RSGI).

Flask does the routing, the authentication and the rest of a view that does not wait. A view that
has to wait returns a coroutine, which takes no thread while it waits: a claim waits for its batch,
a long poll for its request. A view that is marked with `in_event_loop` runs in the event loop
itself; every other view runs in a thread, because it may ask a database or wait for its body.

Whatever fails here, the client gets a problem document, and the request is counted.
"""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from time import perf_counter
from typing import TYPE_CHECKING, Any

from flask.ctx import RequestContext

from api.app import ApiFlask
from api.environ import LONGEST_PATH, environ_of
from api.metrics import API_REQUEST_DURATION, API_REQUESTS
from api.problems import problem_response
from api.request_body import BodyReader
from api.request_ids import X_REQUEST_ID, request_id_for
from api.responses import RawResponse, raw_response_of
from api.stopping import when_stopping

if TYPE_CHECKING:
    from granian._granian import RSGIHTTPProtocol as HTTPProtocol
    from granian.rsgi import Scope

ViewResult = RawResponse | Coroutine[Any, Any, RawResponse]
"""What a view returns: a response, or a coroutine of one."""


class RsgiApp:
    """One worker's application.

    threads: how many requests run in threads at once. on_stop: called once in the event loop when
    the worker has to stop; requests in flight are still answered. bodies: reads the bodies of
    requests that run in threads. on_end: called once when all requests are answered.
    """

    def __init__(
        self,
        app: ApiFlask,
        threads: int,
        on_stop: Callable[[], None],
        bodies: BodyReader,
        on_end: Callable[[], None] = lambda: None,
    ) -> None:
        self.flask = app
        self._bodies = bodies
        self._threads = ThreadPoolExecutor(threads, "request")
        self._on_stop = on_stop
        self._on_end = on_end

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Called by the server before it serves."""
        loop.set_default_executor(self._threads)
        when_stopping(loop, self._on_stop)

    def __rsgi_del__(self, _loop: asyncio.AbstractEventLoop) -> None:
        """Called by the server when it has served the last request."""
        self._on_end()

    async def __rsgi__(self, scope: "Scope", protocol: "HTTPProtocol") -> None:
        """Respond to one request."""
        arrived = perf_counter()
        route, x_request_id = "none", ""
        try:
            x_request_id = request_id_for(scope.headers.get("x-request-id"))
            environ = environ_of(scope)
            environ[X_REQUEST_ID] = x_request_id
            context = self.flask.request_context(environ)
            if self.flask.runs_in_event_loop(context):
                route, result = self._call_view(context)
            else:
                loop = asyncio.get_running_loop()
                self._bodies.offer(environ, protocol, loop)
                route, result = await loop.run_in_executor(None, self._call_view, context)
            response = result if isinstance(result, RawResponse) else await result
        except Exception as error:
            failed = f"{scope.method} {scope.path[:LONGEST_PATH]}"
            x_request_id = x_request_id or request_id_for(None)
            response = raw_response_of(problem_response(error, failed, x_request_id))
        _responses(route, response.status).inc()
        if "wait=" not in scope.query_string:
            _seconds(route).observe(perf_counter() - arrived)
        body = b"" if scope.method == "HEAD" else response.body
        response.headers.append(("x-request-id", x_request_id))
        protocol.response_bytes(response.status, response.headers, body)

    def _call_view(self, context: RequestContext) -> tuple[str, ViewResult]:
        """Let Flask call the request's view. Returns the route's name too."""
        app = self.flask
        with context:
            try:
                result: Any = app.dispatch_request()
            except Exception as error:
                result = app.handle_user_exception(error)
            if not asyncio.iscoroutine(result):
                result = raw_response_of(app.finalize_request(result))
            return context.request.endpoint or "none", result


# Looking up a labelled metric costs more than counting; there are few routes and statuses.
_responses = cache(API_REQUESTS.labels)
_seconds = cache(API_REQUEST_DURATION.labels)
