"""What a worker process does: one run after another (:mod:`bench.sweeps.process` gives them out)."""

import multiprocessing
import os
import queue
import signal
import sys
import threading
import time
from multiprocessing.connection import Connection
from typing import Any

import torch

from bench.errors import BenchError
from bench.interrupts import interrupt, look, quiet
from bench.runs.lease import BusyError
from bench.runs.runner import Run
from bench.sweeps.process import Order
from bench.sweeps.trial import Pruned, validated
from bench.training import Progress

#: What ends a trial early.
PRUNE = "prune"
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
        with quiet():
            while (task := tasks.get()) is not None:
                # A word to prune that comes when the trial is over means nothing.
                if task != PRUNE:
                    connection.send(_answer(connection, tasks, task))
    except KeyboardInterrupt:
        _end(130)


def _stop(number: int, frame: Any) -> None:
    """End the run where it is, or at its next step: its checkpoint stands, its lease is given back."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    interrupt(number, frame)


def _end(code: int) -> None:
    """End at once: leases are given back, and taking down what is imported takes a second."""
    for reader in multiprocessing.active_children():
        reader.kill()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)


def _listen(connection: Connection, tasks: "queue.SimpleQueue[Any]") -> None:
    """Pass on what the parent sends; when it is gone, so is this process, whatever it was doing."""
    try:
        while True:
            tasks.put(connection.recv())
    except (EOFError, OSError):
        os._exit(1)


def _answer(connection: Connection, tasks: "queue.SimpleQueue[Any]", order: Order) -> tuple[str, Any]:
    """What came of an order: a record, that somebody else works on the run, or an error of usage.

    Of a trial of a tuning: its validation PSNR, or that it was pruned.
    """
    sent = 0.0
    _send(connection, ("begun", Progress(stage="starting")))

    def report(step: Progress) -> None:
        nonlocal sent
        look()
        now = time.monotonic()
        if now - sent >= REPORT_EVERY or step.step in (1, step.steps):
            sent = now
            _send(connection, ("progress", step))
        if order.results is None and not tasks.empty() and tasks.get() == PRUNE:
            raise Pruned

    try:
        if order.results is None:
            return "judged", validated(order.spec, report)
        run = Run(order.spec)
        if order.fingerprint not in ("", run.fingerprint):
            return "other", run.fingerprint
        return "done", run.execute(order.results, order.force, report, order.wait, order.log)
    except Pruned:
        return "pruned", None
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
