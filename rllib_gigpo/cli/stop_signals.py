"""The signals that end a command: Ctrl-C (SIGINT), SIGTERM, and SIGHUP of a closed terminal.

All three end it in order: it reports, ends its processes, and returns 128 plus the signal's number.
"""

import os
import select
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_STDOUT, _STDERR = 1, 2  # file descriptors

Handler = Callable[[int, FrameType | None], object]


class StoppedBySignal(KeyboardInterrupt):
    """A signal asks the command to end.

    Attributes:
        number: The signal's number.
    """

    def __init__(self, number: int) -> None:
        """Keep the number."""
        super().__init__(number)
        self.number = number

    def __str__(self) -> str:
        """Return what to print."""
        if self.number == signal.SIGINT:
            return "interrupted"
        return f"stopped by {signal.Signals(self.number).name}"


def raise_stop(number: int, frame: FrameType | None) -> NoReturn:
    """Raise `StoppedBySignal`, as the handler of a signal."""
    discard_closed_outputs()
    raise StoppedBySignal(number)


@contextmanager
def handled_signals(handler: Handler) -> Iterator[None]:
    """Handle the signals inside the block, except those that are ignored, as SIGHUP by `nohup`."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in STOP_SIGNALS}
    heard = [number for number in STOP_SIGNALS if before[number] is not signal.SIG_IGN]
    for number in heard:
        signal.signal(number, handler)
    try:
        yield
    finally:
        for number in heard:
            signal.signal(number, before[number])


def discard_closed_outputs() -> list[int]:
    """Discard further output if its terminal or reader is gone, for which writing would fail.

    Returns:
        The file descriptors that were closed.
    """
    outputs = select.poll()
    for descriptor in (_STDOUT, _STDERR):
        outputs.register(descriptor, 0)
    gone = [one for one, event in outputs.poll(0) if event & (select.POLLERR | select.POLLHUP)]
    for descriptor in gone:
        os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)
    return gone


def say(message: str) -> None:
    """Print a line on stderr from a signal's handler, which may have interrupted another print."""
    os.write(_STDERR, f"rllib: {message}\n".encode())
