"""Faults that last longer than the session of a consumer: Kafka reassigns its partitions."""

from chaos.faults.fault import Fault
from chaos.faults.second_consumer import SecondConsumer
from chaos.target import PARTS, Target

BEYOND = (1.04, 3.0)
"""31 to 90 seconds for a session of 30."""


def session_faults(target: Target) -> list[Fault]:
    """A static member, a dynamic member, or every process is stopped for so long."""
    second = SecondConsumer(target)

    def stop_dynamic() -> None:
        second.join()
        second.await_partitions()
        second.stop()

    def resume_and_leave() -> None:
        second.resume()
        second.leave()

    return [
        Fault(
            "stop consumer-1 beyond its session",
            "the consumer, a static member, is stopped until its partitions are reassigned",
            lambda: target.pause("consumer-1"),
            lambda: target.resume("consumer-1"),
            sessions=BEYOND,
        ),
        Fault(
            "stop dynamic consumer beyond its session",
            "a second consumer, a dynamic member, is stopped until its partitions are reassigned",
            stop_dynamic,
            resume_and_leave,
            sessions=BEYOND,
        ),
        Fault(
            "stop everything beyond the session",
            "every process is stopped for longer than a consumer's session, as in a suspended VM",
            lambda: target.pause(*PARTS),
            lambda: target.resume(*PARTS),
            sessions=BEYOND,
        ),
    ]
