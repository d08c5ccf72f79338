"""The management address: readiness and metrics of all workers, and not on the public port."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor

import psutil

from coupons.waiting import eventually
from tests.support.api_process import Server


def claims_counted(server: Server) -> bool:
    return 'coupon_api_claims_total{outcome="accepted"} 40.0' in server.manage("/metrics")[1]


def test_the_public_port_tells_nothing_of_the_servers_behind(server: Server) -> None:
    assert [server.call("GET", path)[0] for path in ("/readyz", "/metrics")] == [404, 404]
    status, _, body = server.call("GET", "/healthz")
    assert (status, body) == (200, '{"status":"alive"}')


def test_metrics_are_those_of_all_workers_and_outlive_them(server: Server) -> None:
    coupon_id = server.make_coupon()
    with ThreadPoolExecutor(8) as threads:
        statuses = threads.map(lambda user: server.claim(coupon_id, user)[0], range(1, 41))
        assert set(statuses) == {202}
    assert claims_counted(server)
    victim = server.workers()[0]
    os.kill(victim.pid, signal.SIGKILL)
    eventually(lambda: victim.pid not in [each.pid for each in server.workers()], 15)
    assert claims_counted(server)


def test_long_polls_of_a_worker_that_died_are_not_counted(server: Server) -> None:
    coupon_id = server.make_coupon()
    _, headers, _ = server.claim(coupon_id, 1)
    with ThreadPoolExecutor(1) as threads:
        poll = threads.submit(server.call, "GET", f"{headers['Location']}?wait=30", 1)
        eventually(lambda: "coupon_api_waiters 1.0" in server.manage("/metrics")[1], 10)
        for worker in server.workers():
            os.kill(worker.pid, signal.SIGKILL)
        assert poll.exception(10) is not None
    eventually(lambda: "coupon_api_waiters 0.0" in server.manage("/metrics")[1], 15)


def test_the_management_process_is_started_again(server: Server) -> None:
    eventually(lambda: server.manage("/readyz")[0] == 200, 20, "ready")
    workers = {each.pid for each in server.workers()}
    children = psutil.Process(server.process.pid).children()
    [management] = [each for each in children if each.pid not in workers]
    management.kill()
    eventually(lambda: management.pid not in psutil.pids(), 10, "it is gone")
    eventually(lambda: server.manage("/readyz")[0] == 200, 20, "ready again")


def test_it_is_not_ready_while_no_worker_answers(server: Server) -> None:
    eventually(lambda: server.manage("/readyz")[0] == 200, 20, "ready")
    workers = server.workers()
    for worker in workers:
        worker.suspend()
    try:
        status, body = server.manage("/readyz")
        assert (status, '"workers": "not ready' in body) == (503, True)
    finally:
        for worker in workers:
            worker.resume()
    eventually(lambda: server.manage("/readyz")[0] == 200, 20, "ready again")
