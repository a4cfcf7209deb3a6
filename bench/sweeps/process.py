"""A process that does one run after another, as seen by whoever gives them out."""

import math
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import bench
from bench.component import Component
from bench.spec import RunSpec

#: Seconds that a run has to stop at a checkpoint before its process is killed.
GRACE = 10.0
CODE = """
import sys
sys.path[:] = {path!r}
from bench.sweeps.worker import main
main({descriptor}, {threads})
"""


@dataclass(frozen=True)
class Order:
    """What a worker process is to do.

    Attributes:
        spec: the run.
        results: folder of the records; None: it is a trial of a tuning, judged on the validation split.
        force: run again what has a record.
        wait: whether to wait for another process that works on the same run; else it is ``busy``.
        fingerprint: that the run must have there too; empty: whatever it has.
        log: loggers that are told of it.
    """

    spec: RunSpec
    results: Path | None = None
    force: bool = False
    wait: bool = False
    fingerprint: str = ""
    log: tuple[Component, ...] = ()


class Worker:
    """A process, the connection to it, and since when it does what it was given.

    Attributes:
        gpu: the only one that it sees; None: it sees all.
        busy: whether it does a run.
        since: when that began, by ``time.monotonic``; infinite before.
        late: why it was told to stop; empty where it was not.
    """

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
        self.threads, self.gpu = threads, gpu
        self.busy = False
        self.since = math.inf
        self.late = ""

    def give(self, order: Order) -> None:
        """Have the worker do something."""
        self.busy, self.since = True, math.inf
        self.send(order)

    def send(self, message: Any) -> None:
        """Say something to the worker; one that died is noticed when it is listened to."""
        with suppress(OSError):
            self.connection.send(message)

    def receive(self) -> tuple[str, Any]:
        """The worker's next message; if it has ended, ``died`` or ``late``, and of what."""
        try:
            message: tuple[str, Any] = self.connection.recv()
        except (EOFError, OSError):
            try:
                code = self.process.wait(GRACE)
            except subprocess.TimeoutExpired:
                # It has closed its end, and hangs on its way out.
                self.process.kill()
                code = self.process.wait()
            self.connection.close()
            self.busy = False
            if self.late:
                return "late", self.late
            return "died", _death(code)
        # The clock of a run begins when it does, not when its process starts, which may take seconds.
        if message[0] == "begun":
            self.since = time.monotonic()
            return "progress", message[1]
        self.busy = message[0] == "progress"
        return message

    def hurry(self, timeout: float | None) -> None:
        """Have a run that takes too long stop at its checkpoint; kill it when the grace is over."""
        if timeout is None or not self.busy:
            return
        spent = time.monotonic() - self.since
        if self.late and spent > timeout + GRACE:
            self.process.kill()
        elif spent > timeout and not self.late:
            self.late = f"it took longer than the timeout of {timeout:g} s"
            self.process.terminate()


def ready(workers: Sequence[Worker], seconds: float) -> list[Worker]:
    """Workers that have something to say, as soon as there is one, or so many seconds later."""
    spoken = wait([worker.connection for worker in workers], timeout=seconds)
    return [worker for worker in workers if worker.connection in spoken]


def stop(workers: Iterable[Worker]) -> None:
    """Have workers stop: within the grace at a checkpoint, then, or when interrupted again, at once."""
    workers = list(workers)
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


def _death(code: int) -> str:
    if code >= 0:
        return f"its process ended with exit code {code}"
    return f"its process was killed by signal {-code}, for want of memory perhaps"


def _safe_path() -> list[str]:
    """``sys.path`` without the current folder, unless that was asked for or holds the harness."""
    here, home = Path.cwd(), Path(bench.__file__).resolve().parent.parent
    asked = [Path(p).resolve() for p in os.environ.get("PYTHONPATH", "").split(os.pathsep) if p]
    kept = [p for p in sys.path if p and (Path(p).resolve() != here or here in asked)]
    return kept if str(home) in kept else [*kept, str(home)]
