"""Faults of the connector and of Connect, also in the middle of one large INSERT."""

import time
from contextlib import suppress
from itertools import count

from chaos.faults.fault import Fault, FaultContext
from chaos.history import Response
from connectors.connect import Connect
from connectors.lifecycle import CONNECTOR_NAME
from coupons.errors import ConnectorError, CouponError
from coupons.ledger.connection import connect_ledger
from coupons.ledger.requests import accept_requests, admitted_as_request
from coupons.model import Admission, Claim

LARGE = 3_000
_users = count(1_000_000_000)


def connector_faults(context: FaultContext) -> list[Fault]:
    """The connector is restarted; its task is restarted or Connect is killed during an INSERT."""
    target = context.target
    connect = Connect(target.where["COUPON_CONNECT_URL"])

    def order(path: str) -> None:
        # Connect returns an error while it rebalances, and carries out the order all the same.
        with suppress(ConnectorError):
            connect.call("POST", f"/connectors/{CONNECTOR_NAME}/{path}")

    def restart_in_batch() -> None:
        write_one_large_insert(context)
        order("tasks/0/restart")

    def kill_in_batch() -> None:
        write_one_large_insert(context)
        target.kill("connect")

    return [
        Fault(
            "connector restarted",
            "an operator restarts the connector and its task",
            lambda: order("restart?includeTasks=true"),
            lasting=False,
        ),
        Fault(
            "task restarted in a batch",
            "the connector's task is restarted while it streams one large INSERT",
            restart_in_batch,
            lasting=False,
        ),
        Fault(
            "connect killed in a batch",
            "Connect is killed while it streams one large INSERT",
            kill_in_batch,
            lambda: target.start("connect"),
        ),
    ]


def write_one_large_insert(context: FaultContext) -> None:
    """Claims of many new users, admitted and accepted as by the API, in one statement.

    When the gate or the ledger refuses them, the history keeps them as failed claims.
    """
    claims = [Claim(context.coupon_id, next(_users)) for _ in range(LARGE)]
    began = time.monotonic()
    try:
        decisions = context.target.gate().admit(claims)
        admissions = [each for each in decisions if isinstance(each, Admission)]
        url = context.target.stack.database_url("api")
        with connect_ledger(url, "one large insert") as ledger:
            status = 202 if accept_requests(ledger, admissions) else 503
    except CouponError:
        admissions, status = [], 503
    accepted = {each.user_id: admitted_as_request(each) for each in admissions}
    context.history.add(
        Response(
            *claim[:2],
            status=status if claim.user_id in accepted else 503,
            reason="" if status == 202 else "gate-closed",
            request_status="REQUESTED" if status == 202 else "",
            location=f"/issue-requests/{accepted[claim.user_id].id}" if accepted else "",
            began=began,
            ended=time.monotonic(),
            at=time.time(),
        )
        for claim in claims
    )
