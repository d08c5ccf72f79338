"""`coupon monitor`."""

import json

import click
import requests

from cli.exit_codes import NotAnswered
from cli.options import endpoints_option, json_option
from cli.page_link import page_link
from coupons.endpoints import MONITOR_URL, Endpoints
from coupons.links.web import WebService, why_no_response
from coupons.sign_in_links import LIFE_SECONDS

_ANSWER_SECONDS = 3.0


@click.command("monitor", short_help="Print a link to the monitor's page.")
@endpoints_option("ops")
@click.option("--look", is_flag=True, help="A link that may look, and not act.")
@json_option
def command(where: Endpoints, look: bool, as_json: bool) -> None:
    """Print a link that signs you in to the monitor's page: once, within five minutes.

    The page shows whether the system is healthy, how far behind it is, and the timeline of a
    request. On a system elsewhere the command needs COUPON_MONITOR_URL and
    COUPON_MONITOR_LINK_KEY_FILE, the file that the monitor has its key from.

    \b
      coupon monitor
      coupon monitor --look
    """
    _check_answers(where[MONITOR_URL])
    link = page_link(where, acts=not look)
    result = {"link": link, "role": "look" if look else "act", "expires_in": LIFE_SECONDS}
    click.echo(json.dumps(result) if as_json else link)


def _check_answers(url: str) -> None:
    service = WebService(url)
    try:
        service.request("GET", "/healthz", _ANSWER_SECONDS)
    except requests.RequestException as error:
        why = why_no_response(error)
        raise NotAnswered(f"the monitor does not answer at {service.url} ({why})") from error
