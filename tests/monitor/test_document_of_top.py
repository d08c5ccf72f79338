"""`coupon top` shows the document of a monitor; the example in its tests has that shape."""

from typing import Any

import pytest

from cli.top_frame import Frame
from coupons.gate import Gate
from coupons.waiting import eventually
from operations.top.stock_rates import StockRates
from tests.monitor.conftest import Watched
from tests.reconciler.conftest import Shop
from tests.support.databases import Database
from tests.support.ledger import MakeCoupon
from tests.unit.test_top import RECORDED


@pytest.fixture
def shop(gate: Gate, database: Database, make_coupon: MakeCoupon) -> Shop:
    return Shop(gate, database, make_coupon(total_quantity=20))


def _shape(value: Any) -> Any:
    """The keys, of lists those of the first entry."""
    if isinstance(value, dict):
        return {name: _shape(each) for name, each in value.items()}
    return [_shape(value[0])] if isinstance(value, list) and value else None


def test_a_document_without_kafka_is_shown_and_has_the_shape_of_the_example(
    shop: Shop, watched: Watched
) -> None:
    shop.accept(1, 2, 3)
    shop.issue(1)
    eventually(lambda: watched.value("coupon_ledger_requests", "in_flight") == 2)
    document = watched.document()
    rates = StockRates().note(document)
    lines = Frame(document, rates, 2.0, "coupon doctor").lines(80, 24)
    shown = "\n".join(line.plain for line in lines)
    assert "captured        unknown since " in shown
    assert "connector       not watched" in shown
    assert "in flight       2 " in shown
    assert f"{shop.coupon_id} " in shown
    for part in ("gate", "ledger", "slot", "coupons"):
        assert _shape(document[part]) == _shape(RECORDED[part]), part
    assert document.keys() == RECORDED.keys()
    assert document["sources"]["redis"].keys() == RECORDED["sources"]["redis"].keys()
