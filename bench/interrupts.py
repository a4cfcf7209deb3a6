"""Ctrl-C and SIGTERM that are not lost: what a signal raises while an object is deleted, Python drops."""

import logging
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_told = threading.Event()


def interrupt(number: int, frame: Any) -> None:
    """Handler of a signal: what is being done ends here, or where it is dropped, at its next :func:`look`."""
    _told.set()
    # What libraries log of being stopped in the middle, tracebacks of Dask's, says nothing to anybody.
    logging.disable()
    raise KeyboardInterrupt


def look() -> None:
    """Raise KeyboardInterrupt if this process was told to stop: asked at every step of a run."""
    if _told.is_set():
        raise KeyboardInterrupt


@contextmanager
def heeded() -> Iterator[None]:
    """The block with SIGTERM meaning what Ctrl-C means, and with neither lost; in the main thread only."""
    # What runs in the background of a shell is not meant by Ctrl-C: it was told to ignore it.
    numbers = [n for n in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(n) is not signal.SIG_IGN]
    before = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        with quiet():
            yield
    finally:
        _told.clear()
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def quiet() -> Iterator[None]:
    """The block with no traceback of a KeyboardInterrupt that was dropped."""
    before = sys.unraisablehook

    def shown(dropped: "sys.UnraisableHookArgs") -> None:
        if not issubclass(dropped.exc_type, KeyboardInterrupt):
            before(dropped)

    sys.unraisablehook = shown
    try:
        yield
    finally:
        sys.unraisablehook = before
