"""Requests are counted in memory; a failure of the metrics does not end that."""

import asyncio

import pytest

from api import request_metrics
from api.metrics import API, API_REQUESTS
from api.request_metrics import RequestMetrics
from coupons.waiting import eventually

ROUTE = "of.a.test"


def counted(name: str = "coupon_api_requests_total", **labels: str) -> float:
    return API.get_sample_value(name, {"route": ROUTE, **labels}) or 0.0


def test_a_failure_to_hand_over_neither_stops_later_counts_nor_doubles_earlier_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(request_metrics, "HAND_OVER_SECONDS", 0.01)
    metrics = RequestMetrics()
    failures: list[tuple[object, ...]] = []

    def broken(*labels: object) -> None:
        failures.append(labels)
        raise OSError("of a test")

    async def respond() -> None:
        with monkeypatch.context() as patch:
            patch.setattr(API_REQUESTS, "labels", broken)
            metrics.responded(ROUTE, 200, 0.001)
            await asyncio.to_thread(eventually, lambda: failures)
        metrics.responded(ROUTE, 202, 0.001)
        await asyncio.to_thread(eventually, lambda: counted(status="202") == 1)

    asyncio.run(respond())
    assert failures == [(ROUTE, 200)]
    assert counted(status="200") == 0
    assert counted("coupon_api_request_duration_seconds_count") == 1
