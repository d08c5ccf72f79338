"""The Flask application on an event loop, behind the server's interface (RSGI).

Flask does the routing, the authentication and the rest of a view that does not wait. A view that
has to wait returns a coroutine, which takes no thread while it waits: a claim waits for its batch,
a long poll for its request. An event stream is sent as it comes, and takes no thread either. A view
that is marked with `in_event_loop` runs in the event loop itself; every other view runs in a
thread, because it may ask a database. When it asks for a body that is not there yet, it is called
again, from the start, once the body is there.

A plain claim does not need Flask, and goes to its view directly (`api/plain_claims.py`).

Whatever fails here, the client gets a problem document, and the request is counted.
"""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from time import perf_counter
from typing import TYPE_CHECKING, Any

from flask import Response
from flask.ctx import RequestContext
from granian._granian import RSGIProtocolClosed

from api.app import ApiFlask, ViewResult
from api.cross_origin import CrossOrigin
from api.environ import LONGEST_PATH, environ_of
from api.plain_claims import plain_claim_of
from api.problems import problem_response
from api.request_body import BodyAwaited, BodyReader
from api.request_ids import X_REQUEST_ID, request_id_for
from api.request_metrics import RequestMetrics
from api.responses import RawResponse, StreamedResponse, raw_response_of
from api.stopping import when_stopping

if TYPE_CHECKING:
    from granian._granian import RSGIHTTPProtocol as HTTPProtocol
    from granian.rsgi import Scope

Claim = Callable[[int, str, "Scope"], Coroutine[Any, Any, RawResponse]]
"""The view of a claim: takes the coupon's id, the header Authorization, and the request."""

SEND_SECONDS = 5.0
"""So long a client may not read before its stream ends; less than a stop of the API takes."""
CLAIM_ROUTE = "claims.claim"


class RsgiApp:
    """One worker's application.

    threads: how many requests run in threads at once. on_stop: called once in the event loop when
    the worker has to stop; requests in flight are still answered. bodies: reads the bodies of
    requests that Flask gets. on_end: called once when all requests are answered. claim: the view of
    plain claims; None: Flask gets them too. cross_origin: None: pages of other origins may not
    call.
    """

    def __init__(
        self,
        app: ApiFlask,
        threads: int,
        on_stop: Callable[[], None],
        bodies: BodyReader,
        on_end: Callable[[], None] = lambda: None,
        claim: Claim | None = None,
        cross_origin: CrossOrigin | None = None,
    ) -> None:
        self.flask = app
        self._cross_origin = cross_origin
        self._claim = claim
        self._metrics = RequestMetrics()
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
        try:
            self._metrics.hand_over()
        finally:
            self._on_end()

    async def __rsgi__(self, scope: "Scope", protocol: "HTTPProtocol") -> None:
        """Respond to one request."""
        arrived = perf_counter()
        route, x_request_id = "none", ""
        try:
            x_request_id = request_id_for(scope.headers.get("x-request-id"))
            plain = None if self._claim is None else plain_claim_of(scope)
            if self._claim is not None and plain is not None:
                route = CLAIM_ROUTE
                result: ViewResult = self._claim(*plain, scope)
            elif self._cross_origin and (preflight := self._cross_origin.preflight(scope)):
                result = preflight
            else:
                route, result = await self._through_flask(scope, protocol, x_request_id)
            response: RawResponse | StreamedResponse = (
                result if isinstance(result, RawResponse) else await result
            )
        except Exception as error:
            failed = f"{scope.method} {scope.path[:LONGEST_PATH]}"
            x_request_id = x_request_id or request_id_for(None)
            response = problem_response(error, failed, x_request_id)
        seconds = None if "wait=" in scope.query_string else perf_counter() - arrived
        self._metrics.responded(route, response.status, seconds)
        headers = response.headers
        headers.append(("x-request-id", x_request_id))
        if self._cross_origin is not None:
            headers += self._cross_origin.headers_of(scope)
        if isinstance(response, StreamedResponse):
            await _stream(response, scope.method, protocol)
            return
        status, _, body = response
        if scope.method == "HEAD":
            headers.append(("content-length", str(len(body))))
            body = b""
        protocol.response_bytes(status, headers, body)

    async def _through_flask(
        self, scope: "Scope", protocol: "HTTPProtocol", x_request_id: str
    ) -> tuple[str, ViewResult]:
        """The route's name, and what its view returns."""
        environ = environ_of(scope)
        environ[X_REQUEST_ID] = x_request_id
        loop = asyncio.get_running_loop()
        body = self._bodies.offer(environ, protocol, loop)
        context = self.flask.request_context(environ)
        if self.flask.runs_in_event_loop(context):
            called = self._call_view(context)
            assert called is not None, "in the event loop, a body is awaited"
            return called
        called = await loop.run_in_executor(None, self._call_view, context)
        if called is None:
            assert body is not None
            await body.receive()
            again = self.flask.request_context(environ)
            called = await loop.run_in_executor(None, self._call_view, again)
            assert called is not None
        return called

    def _call_view(self, context: RequestContext) -> tuple[str, ViewResult] | None:
        """Let Flask call the request's view. Returns the route's name too; None: body awaited."""
        with context:
            request = context.request
            try:
                result: Any = self.flask.dispatch_request()
            except BodyAwaited:
                return None
            except Exception as error:
                failed = f"{request.method} {request.path}"
                result = problem_response(error, failed, request.environ[X_REQUEST_ID])
            if isinstance(result, Response):
                result = raw_response_of(result)
            return request.endpoint or "none", result


async def _stream(response: StreamedResponse, method: str, protocol: "HTTPProtocol") -> None:
    """Send the chunks until they end, or until the client has gone or reads no more."""
    status, headers, chunks = response
    async with aclosing(chunks):
        if method == "HEAD":
            protocol.response_empty(status, headers)
            return
        transport = protocol.response_stream(status, headers)
        async for chunk in chunks:
            try:
                async with asyncio.timeout(SEND_SECONDS):
                    await transport.send_bytes(chunk)
            except (TimeoutError, RSGIProtocolClosed):
                return
