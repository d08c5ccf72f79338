"""The page asks Postgres a few questions at a time, and says so to the others."""

from contextlib import ExitStack

import pytest
from werkzeug.exceptions import ServiceUnavailable

from coupons.endpoints import DATABASE_URL, Endpoints
from monitor.page.page_ledger import AT_ONCE, PageLedger
from tests.support.databases import Database


def test_more_questions_at_once_are_refused_and_none_stays_taken(database: Database) -> None:
    ledger = PageLedger(Endpoints({DATABASE_URL: database.url("coupon_monitor")}, "monitor"))
    for _ in range(2):
        with ExitStack() as asked:
            for _ in range(AT_ONCE):
                connection = asked.enter_context(ledger.connected())
                assert connection.execute("SELECT 1").fetchone() == (1,)
            with pytest.raises(ServiceUnavailable, match="Try again"), ledger.connected():
                pass
