"""`coupon trace`."""

import json

import click
from rich.console import Console

from cli.exit_codes import NOT_ANSWERED, WRONG
from cli.options import COUPON_ID, USER_ID, endpoints_option, json_option
from cli.trace_table import show_requests, show_trace
from coupons.endpoints import Endpoints
from coupons.ids import parse_request_id, request_id_text
from coupons.model import IssueRequest, from_microseconds
from operations.trace.requests_of_user import UserRequests, requests_of_user
from operations.trace.timeline import Trace
from operations.trace.trace import trace_request
from stack.endpoints import folder_of
from stack.options import existing


class _RequestId(click.ParamType[tuple[int, int]]):
    name = "request"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        """Its coupon and user. Fails with a usage error."""
        try:
            return parse_request_id(value)
        except ValueError:
            self.fail(f"{value[:80]!r} is not the id of a request: give the UUID", param, ctx)


@click.command("trace", short_help="Show one request through all stages.")
@click.argument("request", type=_RequestId(), required=False)
@click.option("--user", "user_id", type=USER_ID, help="Instead of REQUEST.")
@click.option("--coupon", "coupon_id", type=COUPON_ID, help="The coupon of that user's request.")
@endpoints_option("ops")
@json_option
def command(
    where: Endpoints,
    request: tuple[int, int] | None,
    user_id: int | None,
    coupon_id: int | None,
    as_json: bool,
) -> None:
    """Show the timeline of one request: admitted at the gate, accepted in Postgres, captured into
    Kafka, issued or rejected, marked at the gate; and its dead letters. Then what became of the
    issued coupon: used by an order, use cancelled, revoked, expired.

    A stage that is not reached says what it waits for. A server that does not answer makes its
    stages unknown; the others are shown. If the user has no request, the command says what is known
    from the coupon. Times are UTC, by the clock of the server that wrote them.

    With --user and without --coupon it lists the requests of this user, the last one first.

    \b
    Exit code 0: the timeline is complete as far as the request is
              1: the user has no request for this coupon, or none at all
              2: not the id of a request, there is no such coupon, or no stack in the state folder
              3: a stage is not known

    \b
      coupon trace 00000000-0000-800e-8000-000000001267
      coupon trace --user 4711 --coupon 7
      coupon trace --user 4711
    """
    if (folder := folder_of(where)) is not None:
        existing(folder)  # no stack there is a wrong setting, not a part that is down
    if request is None and coupon_id is None and user_id is not None:
        _list(requests_of_user(where, user_id), as_json)
        return
    trace = trace_request(where, *_key(request, coupon_id, user_id))
    if as_json:
        click.echo(json.dumps(_as_json(trace)))
    else:
        show_trace(Console(highlight=False), trace)
    if trace.unknown:
        raise click.exceptions.Exit(NOT_ANSWERED)
    if not trace.steps:
        raise click.exceptions.Exit(WRONG)


def _list(found: UserRequests, as_json: bool) -> None:
    if as_json:
        newest = [_request_as_json(each) for each in found.newest]
        click.echo(json.dumps({**found._asdict(), "newest": newest}))
    else:
        show_requests(Console(highlight=False), found)
    if not found.total:
        raise click.exceptions.Exit(WRONG)


def _request_as_json(request: IssueRequest) -> dict[str, object]:
    return {
        "request_id": request_id_text(request.coupon_id, request.user_id),
        "coupon_id": request.coupon_id,
        "requested_at": from_microseconds(request.requested_at_us).isoformat(),
        "status": request.status,
        "reason": request.reason,
    }


def _key(
    request: tuple[int, int] | None, coupon_id: int | None, user_id: int | None
) -> tuple[int, int]:
    """Coupon and user. Raises UsageError."""
    if request is not None and coupon_id is None and user_id is None:
        return request
    if request is None and coupon_id is not None and user_id is not None:
        return coupon_id, user_id
    raise click.UsageError("give either REQUEST, or --user, with --coupon for one request")


def _as_json(trace: Trace) -> dict[str, object]:
    return {
        "request_id": trace.request_id,
        "coupon_id": trace.coupon_id,
        "user_id": trace.user_id,
        "status": trace.status,
        "steps": [
            {**step._asdict(), "at": step.at and step.at.isoformat()} for step in trace.steps
        ],
        "notes": trace.notes,
    }
