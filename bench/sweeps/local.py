"""Several runs at a time on this machine, each worker a process that does one run after another."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import torch

import bench
from bench.runs import lease
from bench.runs.record import Record
from bench.runs.runner import Run
from bench.training import Progress

Report = Callable[[Run, Progress], None]

#: Seconds that a worker has to stop at a checkpoint before it is killed.
GRACE = 10.0

CODE = """
import sys
sys.path[:] = {path!r}
from bench.sweeps.worker import main
main({descriptor}, {threads})
"""


def carry_out(
    runs: Sequence[Run], results: Path, force: bool, report: Report, jobs: int
) -> Iterator[tuple[Run, Record]]:
    """Carry out runs in ``jobs`` processes that share the cores: each with its record, as they finish.

    A run that another process works on is left for later. One whose worker dies is a failed run. When
    the iterator is closed or interrupted, no run begins any more, and those that are under way stop
    where they are: their last checkpoints stand. Interrupted again, workers are killed at once.

    Raises:
        UsageError: a run cannot work as it stands.
    """
    pending: list[tuple[float, Run]] = [(0.0, run) for run in runs]
    workers: list[Worker] = []
    threads = max(1, torch.get_num_threads() // jobs)
    try:
        while pending or any(worker.run for worker in workers):
            for item in [] if force else list(pending):
                if record := item[1].failed_elsewhere(results):
                    pending.remove(item)
                    yield item[1], record
            _hand_out(pending, workers, results, force, jobs, threads)
            for worker in _ready(workers):
                run, (kind, content) = worker.run, worker.receive()
                if run is None or kind == "progress":
                    if run is not None:
                        report(run, content)
                    continue
                worker.run = None
                if kind == "busy":
                    run.found_busy(results)
                    report(run, Progress(stage=content))
                    pending.append((time.monotonic() + lease.LOOK, run))
                elif kind == "done":
                    yield run, content
                elif kind == "error":
                    raise content
                else:
                    workers.remove(worker)
                    yield run, run.fail(results, content)
    finally:
        _stop(workers)


def _hand_out(
    pending: list[tuple[float, Run]],
    workers: list["Worker"],
    results: Path,
    force: bool,
    jobs: int,
    threads: int,
) -> None:
    """Give every idle worker a run whose time has come; start workers while there are fewer than jobs."""
    for due in [item for item in pending if item[0] <= time.monotonic()]:
        idle = next((worker for worker in workers if worker.run is None), None)
        if idle is None and len(workers) < jobs:
            idle = Worker(threads)
            workers.append(idle)
        if idle is None:
            return
        pending.remove(due)
        idle.give(due[1], results, force)


def _ready(workers: list["Worker"]) -> list["Worker"]:
    """Workers that have something to say."""
    spoken = wait([worker.connection for worker in workers], timeout=lease.LOOK)
    return [worker for worker in workers if worker.connection in spoken]


def _stop(workers: list["Worker"]) -> None:
    """Have workers stop: within the grace at a checkpoint, then, or when interrupted again, at once."""
    try:
        for worker in workers:
            worker.process.terminate()
        end = time.monotonic() + GRACE
        for worker in workers:
            with suppress(subprocess.TimeoutExpired):
                worker.process.wait(max(0.0, end - time.monotonic()))
    finally:
        for worker in workers:
            worker.process.kill()
            worker.process.wait()
            worker.connection.close()


class Worker:
    """A process, the connection to it, and the run that it is doing."""

    def __init__(self, threads: int):
        ours, theirs = socket.socketpair()
        code = CODE.format(path=_safe_path(), descriptor=theirs.fileno(), threads=threads)
        # -P: nothing is imported because it lies in the current folder.
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-c", code], pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL
        )
        theirs.close()
        self.connection = Connection(ours.detach())
        self.run: Run | None = None

    def give(self, run: Run, results: Path, force: bool) -> None:
        """Have the worker do a run."""
        self.run = run
        # A worker that died is noticed when it is listened to.
        with suppress(OSError):
            self.connection.send((run.spec, results, force))

    def receive(self) -> tuple[str, Any]:
        """The worker's next message; if it has died, ``died`` and of what."""
        try:
            message: tuple[str, Any] = self.connection.recv()
            return message
        except (EOFError, OSError):
            code = self.process.wait()
        if code >= 0:
            return "died", f"its process ended with exit code {code}"
        return "died", f"its process was killed by signal {-code}, for want of memory perhaps; try --jobs 1"


def _safe_path() -> list[str]:
    """``sys.path`` without the current folder, unless that was asked for or holds the harness."""
    here, home = Path.cwd(), Path(bench.__file__).resolve().parent.parent
    asked = [Path(p).resolve() for p in os.environ.get("PYTHONPATH", "").split(os.pathsep) if p]
    kept = [p for p in sys.path if p and (Path(p).resolve() != here or here in asked)]
    return kept if str(home) in kept else [*kept, str(home)]
