"""Runs on the machines of a Dask cluster; workers need not share a disk with this one."""

import queue
import secrets
import tomllib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.errors import BenchError, UsageError
from bench.runs.record import Record, runs_folder
from bench.runs.runner import Run
from bench.runs.writing import writing
from bench.sweeps.means import Means
from bench.sweeps.remote import deliver, packed, resources
from bench.training import Progress

#: Seconds between two looks at what has come in.
LOOK = 0.2
#: Batch systems that dask-jobqueue knows; SLURM is the one that this is written for.
SYSTEMS = {
    "slurm": "SLURMCluster", "pbs": "PBSCluster", "sge": "SGECluster", "lsf": "LSFCluster",
    "htcondor": "HTCondorCluster", "oar": "OARCluster",
}  # fmt: skip

Report = Callable[[Run, Progress], None]


def carry_out(
    runs: Sequence[Run], results: Path, force: bool, report: Report, means: Means
) -> Iterator[tuple[Run, Record]]:
    """Carry out runs on a Dask cluster: each with its record, as they finish.

    A worker that dies costs its run a start on another one, as often as the scheduler allows
    (``distributed.scheduler.allowed-failures``), then the run has failed. When the iterator is closed
    or interrupted, what waits is taken back, and what runs stops at its next report; where workers
    share the disk, their checkpoints stand in the results folder.

    Raises:
        UsageError: no scheduler there, Dask is not installed, or a run cannot work as it stands.
    """
    todo = []
    for run in runs:
        if not force and (record := run.recorded(results)):
            yield run, record
        else:
            todo.append(run)
    if not todo:
        return
    with ExitStack() as stack:
        client = stack.enter_context(_connected(means))
        token = stack.enter_context(_token(results))
        news: queue.SimpleQueue[tuple[str, Progress]] = queue.SimpleQueue()
        client.subscribe_topic(token.name, lambda event: news.put(event[1]))
        futures = {}
        for run in todo:
            parcel = packed(run, results, token, force, means)
            key, needs = f"invbench-{run.fingerprint}-{token.name}", resources(run)
            futures[client.submit(deliver, parcel, key=key, pure=False, resources=needs)] = run
        stack.callback(lambda: client.cancel(list(futures), force=True))
        yield from _collected(futures, results, news, report)


def _collected(
    futures: dict[Any, Run], results: Path, news: "queue.SimpleQueue[tuple[str, Progress]]", report: Report
) -> Iterator[tuple[Run, Record]]:
    from distributed import wait

    named = {run.fingerprint: run for run in futures.values()}
    while futures:
        done = [future for future in futures if future.done()]
        while not news.empty():
            name, step = news.get()
            if name in named:
                report(named[name], Progress(**step) if isinstance(step, dict) else step)
        for future in done:
            run = futures.pop(future)
            del named[run.fingerprint]
            record = _record(run, future, results)
            future.release()
            yield run, record
        if not done:
            try:
                wait(list(futures), timeout=LOOK, return_when="FIRST_COMPLETED")
            except TimeoutError:
                continue


def _record(run: Run, future: Any, results: Path) -> Record:
    """The record that came back, put in place; of a run without one, a failed one that says why."""
    from distributed import CancelledError, KilledWorker

    try:
        kind, content = future.result()
    except KilledWorker as error:
        where = f", the last of them {error.last_worker.address}" if error.last_worker else ""
        return run.fail(results, f"workers died of it{where}: killed, out of memory, or their time was over")
    except (CancelledError, OSError, TimeoutError) as error:
        return run.fail(results, f"the cluster lost it: {type(error).__name__}: {error}")
    if kind == "failed":
        return run.fail(results, content)
    if kind == "usage":
        raise UsageError(content)
    if kind == "shared":
        return Record.read(runs_folder(results) / run.fingerprint)
    return received(run, content, results)


def received(run: Run, files: dict[str, bytes], results: Path) -> Record:
    """Put a record that came over the wire in place, with the spec that was asked for, in one step.

    Raises:
        BenchError: it is no record of this run, or not whole.
    """
    with writing(results, run.fingerprint) as folder:
        for name, content in files.items():
            if Path(name).name != name:
                raise BenchError(f"a worker sent a file called {name!r}")
            (folder / name).write_bytes(content)
        record = Record.read(folder)
        if record.fingerprint != run.fingerprint or record.damaged():
            raise BenchError(f"a worker sent something else than the record of {run.fingerprint}")
        # A plug-in lay elsewhere there; here it is where the user named it.
        record = replace(record, spec=run.spec)
        (folder / "record.json").write_text(record.to_json(), encoding="utf-8")
    return replace(record, folder=runs_folder(results) / run.fingerprint)


@contextmanager
def _token(results: Path) -> Iterator[Path]:
    """A file that only those see who share the results folder."""
    results.mkdir(parents=True, exist_ok=True)
    token = results.resolve() / f".shared-{secrets.token_hex(8)}"
    token.touch()
    try:
        yield token
    finally:
        token.unlink(missing_ok=True)


@contextmanager
def _connected(means: Means) -> Iterator[Any]:
    try:
        from distributed import Client
    except ImportError as error:
        raise UsageError('runs on a cluster need Dask: pip install "invbench[cluster]"') from error
    with ExitStack() as stack:
        address = means.scheduler or stack.enter_context(batch(means))
        try:
            client = Client(address, timeout=20, name="invbench")
        except (OSError, TimeoutError, ValueError) as error:
            raise UsageError(f"no Dask scheduler answers at {address}: {error}") from error
        yield stack.enter_context(client)


def batch(means: Means) -> Any:
    """A cluster of a batch system's jobs, by its TOML: keys of dask-jobqueue's classes, and three of ours.

    ``system`` (slurm), ``jobs`` (1: workers at a time) and ``gpus`` (0: of each worker).
    """
    assert means.cluster is not None
    try:
        settings = tomllib.loads(means.cluster.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{means.cluster}: {error}") from error
    system, jobs, gpus = settings.pop("system", "slurm"), settings.pop("jobs", 1), settings.pop("gpus", 0)
    if system not in SYSTEMS:
        raise UsageError(f"{means.cluster}: unknown system {system!r}. There are: {', '.join(SYSTEMS)}.")
    try:
        import dask_jobqueue
    except ImportError as error:
        raise UsageError('a batch system needs dask-jobqueue: pip install "invbench[cluster]"') from error
    extra = [*settings.pop("worker_extra_args", []), *(["--resources", "GPU=1"] if gpus else [])]
    directives = [*settings.pop("job_extra_directives", [])]
    directives += [f"--gres=gpu:{gpus}"] if gpus and system == "slurm" else []
    given = {"cores": 1, "processes": 1, "memory": "4GB"} | settings
    try:
        made = getattr(dask_jobqueue, SYSTEMS[system])(
            **given, worker_extra_args=extra, job_extra_directives=directives
        )
    except (TypeError, ValueError) as error:
        raise UsageError(f"{means.cluster}: {error}") from error
    made.scale(jobs=jobs)
    return made
