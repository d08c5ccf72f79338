"""A thread of the reconciler that ends early is missed; the others go on."""

from threading import Event

from coupons.waiting import eventually
from reconciler.threads import Threads


def test_a_thread_that_an_error_ends_makes_the_process_unhealthy() -> None:
    """It is restarted then: nobody else sweeps what has expired, or restarts a connector."""
    stop, threads = Event(), Threads()

    def fail() -> None:
        raise ValueError("of a test")

    threads.start("patient", stop.wait)
    assert threads.failure is None
    threads.start("broken", fail)
    eventually(lambda: threads.failure, 10, "it is missed")
    assert threads.failure == "the thread broken has ended: ValueError: of a test"
    stop.set()
    threads.join()


def test_a_thread_that_ends_by_itself_is_not_missed() -> None:
    stop, threads = Event(), Threads()
    threads.start("patient", stop.wait)
    stop.set()
    threads.join()
    assert threads.failure is None
