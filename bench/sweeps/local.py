"""Several runs at a time on this machine, each worker a process that does one run after another."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.interrupts import look
from bench.runs import lease
from bench.runs.record import Record
from bench.runs.runner import Run
from bench.sweeps.means import RETRIES, Means, gpus
from bench.sweeps.process import Order, Worker, ready, stop
from bench.training import Progress

Report = Callable[[Run, Progress], None]


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
    workers: dict[Worker, Waiting | None] = {}
    try:
        while pending or any(workers.values()):
            look()
            for waiting in [task for task in pending if task.run.contested and not force]:
                if record := waiting.run.elsewhere(results).failure():
                    pending.remove(waiting)
                    yield waiting.run, record
            _hand_out(pending, workers, results, force, means)
            for worker in ready(list(workers), lease.LOOK):
                if finished := _heard(worker, workers, pending, results, report):
                    yield finished
            for worker in workers:
                worker.hurry(means.timeout)
    finally:
        stop(workers)


def _heard(
    worker: Worker,
    workers: dict[Worker, Waiting | None],
    pending: list[Waiting],
    results: Path,
    report: Report,
) -> tuple[Run, Record] | None:
    """Listen to a worker: a run and its record where it is done, else what is to be begun again waits."""
    task, (kind, content) = workers[worker], worker.receive()
    if kind in ("died", "late"):
        del workers[worker]
    elif not worker.busy:
        workers[worker] = None
    if task is None:
        return None
    run = task.run
    if kind == "progress":
        report(run, content)
    elif kind == "error":
        raise content
    elif kind == "busy":
        run.elsewhere(results).notice()
        report(run, Progress(stage=content))
        pending.append(Waiting(run, time.monotonic() + lease.LOOK, task.deaths))
    elif kind == "died" and task.deaths < RETRIES:
        report(run, Progress(stage=f"again: {content}"))
        pending.append(Waiting(run, 0.0, task.deaths + 1))
    else:
        return run, content if kind == "done" else run.fail(results, content)
    return None


def _hand_out(
    pending: list[Waiting], workers: dict[Worker, Waiting | None], results: Path, force: bool, means: Means
) -> None:
    """Give every idle worker a run whose time has come; start workers while there are fewer than jobs."""
    while due := next((task for task in pending if task.due <= time.monotonic()), None):
        idle = next((worker for worker, task in workers.items() if not (task or worker.late)), None)
        if idle is None and len(workers) < means.jobs:
            idle = Worker(means.share(), free_gpu(list(workers), due.run.spec.device))
        if idle is None:
            return
        pending.remove(due)
        workers[idle] = due
        idle.give(Order(due.run.spec, results, force, log=means.log))


def free_gpu(workers: Sequence[Worker], device: str) -> str | None:
    """The GPU that fewest workers have, for a run on whichever there is; None where none is to be chosen."""
    there = gpus() if device == "cuda" else []
    return min(there, key=[worker.gpu for worker in workers].count) if len(there) > 1 else None
