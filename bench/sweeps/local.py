"""Several runs at a time on this machine, each worker a process that does one run after another."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import bench
from bench.runs import lease
from bench.runs.record import Record
from bench.runs.runner import Run
from bench.sweeps.means import GRACE, RETRIES, Means, gpus
from bench.training import Progress

Report = Callable[[Run, Progress], None]

CODE = """
import sys
sys.path[:] = {path!r}
from bench.sweeps.worker import main
main({descriptor}, {threads})
"""


@dataclass
class Waiting:
    """A run that is to be begun.

    Attributes:
        run: the run.
        due: not before this, by ``time.monotonic``.
        deaths: workers that have died of it.
    """

    run: Run
    due: float = 0.0
    deaths: int = 0


def carry_out(
    runs: Sequence[Run], results: Path, force: bool, report: Report, means: Means
) -> Iterator[tuple[Run, Record]]:
    """Carry out runs in processes that share the cores: each with its record, as they finish.

    A run that another process works on is left for later. One whose worker dies is begun again on
    another, from its last checkpoint; when that dies too, it is a failed run, and so is one that takes
    longer than the timeout. When the iterator is closed or interrupted, no run begins any more, and
    those that are under way stop where they are: their last checkpoints stand. Interrupted again,
    workers are killed at once.

    Raises:
        UsageError: a run cannot work as it stands.
    """
    pending = [Waiting(run) for run in runs]
    workers: list[Worker] = []
    try:
        while pending or any(worker.task for worker in workers):
            for waiting in [] if force else list(pending):
                if record := waiting.run.elsewhere(results).failure():
                    pending.remove(waiting)
                    yield waiting.run, record
            _hand_out(pending, workers, results, force, means)
            for worker in _ready(workers):
                task, (kind, content) = worker.task, worker.receive()
                if kind in ("died", "late"):
                    workers.remove(worker)
                if task is None:
                    continue
                if kind == "progress":
                    report(task.run, content)
                    continue
                worker.task = None
                if kind == "error":
                    raise content
                if kind == "busy":
                    task.run.elsewhere(results).notice()
                if kind == "busy" or (kind == "died" and task.deaths < RETRIES):
                    report(task.run, Progress(stage=content if kind == "busy" else f"again: {content}"))
                    later = time.monotonic() + (lease.LOOK if kind == "busy" else 0.0)
                    pending.append(Waiting(task.run, later, task.deaths + (kind == "died")))
                else:
                    yield task.run, content if kind == "done" else task.run.fail(results, content)
            _hurry(workers, means.timeout)
    finally:
        _stop(workers)


def _hand_out(
    pending: list[Waiting], workers: list["Worker"], results: Path, force: bool, means: Means
) -> None:
    """Give every idle worker a run whose time has come; start workers while there are fewer than jobs."""
    for due in [task for task in pending if task.due <= time.monotonic()]:
        idle = next((worker for worker in workers if not (worker.task or worker.late)), None)
        if idle is None and len(workers) < means.jobs:
            idle = Worker(means.share(), _free_gpu(workers, due.run))
            workers.append(idle)
        if idle is None:
            return
        pending.remove(due)
        idle.give(due, results, force)


def _free_gpu(workers: list["Worker"], run: Run) -> str | None:
    """The GPU that fewest workers have, for a run on whichever there is; None where none is to be chosen."""
    there = gpus() if run.spec.device == "cuda" else []
    return min(there, key=[worker.gpu for worker in workers].count) if len(there) > 1 else None


def _ready(workers: list["Worker"]) -> list["Worker"]:
    """Workers that have something to say."""
    spoken = wait([worker.connection for worker in workers], timeout=lease.LOOK)
    return [worker for worker in workers if worker.connection in spoken]


def _hurry(workers: list["Worker"], timeout: float | None) -> None:
    """Tell a worker whose run takes too long to stop at its checkpoint; kill it when the grace is over."""
    for worker in workers if timeout is not None else ():
        spent = time.monotonic() - worker.since
        if worker.task and timeout is not None and spent > timeout:
            if worker.late and spent > timeout + GRACE:
                worker.process.kill()
            elif not worker.late:
                worker.late = f"it took longer than the timeout of {timeout:g} s"
                worker.process.terminate()


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

    def __init__(self, threads: int, gpu: str | None = None):
        ours, theirs = socket.socketpair()
        code = CODE.format(path=_safe_path(), descriptor=theirs.fileno(), threads=threads)
        # numpy's and scipy's own threads keep to the share too; a worker on a GPU sees no other.
        share = {"OMP_NUM_THREADS": str(threads)} | ({"CUDA_VISIBLE_DEVICES": gpu} if gpu else {})
        # -P: nothing is imported because it lies in the current folder.
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-c", code],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            env=os.environ | share,
        )
        theirs.close()
        self.connection = Connection(ours.detach())
        self.gpu = gpu
        self.task: Waiting | None = None
        self.since = 0.0
        self.late = ""

    def give(self, task: Waiting, results: Path, force: bool) -> None:
        """Have the worker do a run."""
        self.task, self.since = task, time.monotonic()
        # A worker that died is noticed when it is listened to.
        with suppress(OSError):
            self.connection.send((task.run.spec, results, force))

    def receive(self) -> tuple[str, Any]:
        """The worker's next message; if it has ended, ``died`` or ``late``, and of what."""
        try:
            message: tuple[str, Any] = self.connection.recv()
            # The clock of a run begins when it does, not when its process starts.
            if message[0] == "begun":
                self.since = time.monotonic()
                return "progress", message[1]
            return message
        except (EOFError, OSError):
            code = self.process.wait()
            self.connection.close()
        if self.late:
            return "late", self.late
        if code >= 0:
            return "died", f"its process ended with exit code {code}"
        return "died", f"its process was killed by signal {-code}, for want of memory perhaps; try --jobs 1"


def _safe_path() -> list[str]:
    """``sys.path`` without the current folder, unless that was asked for or holds the harness."""
    here, home = Path.cwd(), Path(bench.__file__).resolve().parent.parent
    asked = [Path(p).resolve() for p in os.environ.get("PYTHONPATH", "").split(os.pathsep) if p]
    kept = [p for p in sys.path if p and (Path(p).resolve() != here or here in asked)]
    return kept if str(home) in kept else [*kept, str(home)]
