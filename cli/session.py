"""A command's session with gate and ledger: what does not answer ends it with exit code 3."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import click

from cli.exit_codes import NotAnswered
from coupons.endpoints import Endpoints
from coupons.errors import LedgerUnavailable, RedisUnavailable
from operations.session import Failed, Session, connect


@contextmanager
def open_session(where: Endpoints, silent_s: float | None = None) -> Iterator[Session]:
    """As operations.session.connect. Raises NotAnswered when Redis or Postgres does not answer."""
    try:
        with connect(where, silent_s) as session:
            yield session
    except (RedisUnavailable, LedgerUnavailable) as error:
        raise NotAnswered(
            f"{str(error).strip()}\n`coupon status` shows what is down; `coupon up` starts it."
        ) from error


def print_failures(failures: Sequence[Failed]) -> None:
    """Name the coupons that failed on standard error."""
    for failed in failures:
        click.echo(f"{failed.why.strip()} (the other coupons were processed)", err=True)
