"""A process that does one run after another for :mod:`bench.sweeps.local`, and ends with its parent."""

import os
import queue
import signal
import sys
import threading
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch

from bench.errors import BenchError
from bench.runs.lease import BusyError
from bench.runs.runner import Run
from bench.spec import RunSpec
from bench.training import Progress

#: Seconds between two reports of one run: a step may take a millisecond.
REPORT_EVERY = 0.1


def main(descriptor: int, threads: int) -> None:
    """Do the runs that come over a connection, until it is closed or the process is told to stop."""
    # Ctrl-C reaches all processes of a terminal; the parent alone decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _stop)
    torch.set_num_threads(threads)
    connection, tasks = Connection(descriptor), queue.SimpleQueue[Any]()
    threading.Thread(target=_listen, args=(connection, tasks), daemon=True).start()
    try:
        while (task := tasks.get()) is not None:
            connection.send(_answer(connection, *task))
    except KeyboardInterrupt:
        sys.exit(130)


def _stop(number: int, frame: Any) -> None:
    """End the run where it is: its last checkpoint stands, its lease is given back."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt


def _listen(connection: Connection, tasks: "queue.SimpleQueue[Any]") -> None:
    """Pass on what the parent sends; when it is gone, so is this process, whatever it was doing."""
    try:
        while True:
            tasks.put(connection.recv())
    except (EOFError, OSError):
        os._exit(1)


def _answer(connection: Connection, spec: RunSpec, results: Path, force: bool) -> tuple[str, Any]:
    """What came of a run: its record, that somebody else works on it, or an error of usage."""
    sent = 0.0
    _send(connection, ("begun", Progress(stage="starting")))

    def report(step: Progress) -> None:
        nonlocal sent
        now = time.monotonic()
        if now - sent >= REPORT_EVERY or step.step == step.steps:
            sent = now
            _send(connection, ("progress", step))

    try:
        return "done", Run(spec).execute(results, force, report, wait=False)
    except BusyError as busy:
        return "busy", str(busy)
    except BenchError as error:
        return "error", error


def _send(connection: Connection, message: tuple[str, Any]) -> None:
    try:
        connection.send(message)
    except OSError:
        # Nobody is there any more: not a failure of the run, which must not be recorded as one.
        os._exit(1)
