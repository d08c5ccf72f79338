"""Ctrl-C and SIGTERM end a program in order: what it started is removed, and nothing stops that."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def interrupted_once() -> Iterator[None]:
    """In the block, the first Ctrl-C or SIGTERM raises KeyboardInterrupt.

    From then on this process ignores both, so that nothing interrupts the removal that follows.
    Only for the main thread.
    """
    before = {each: signal.signal(each, _interrupt) for each in _SIGNALS}
    try:
        yield
    finally:
        for each, handler in before.items():
            if signal.getsignal(each) is _interrupt:
                signal.signal(each, handler)


def _interrupt(*_: object) -> None:
    for each in _SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt
