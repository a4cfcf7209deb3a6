"""Runs on the machines of a Dask cluster; workers need not share a disk with this one."""

import queue
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.errors import UsageError
from bench.interrupts import look
from bench.runs.record import Record
from bench.runs.runner import Run
from bench.spec import RunSpec
from bench.sweeps.batch import Batch, batch
from bench.sweeps.means import RETRIES, Means
from bench.sweeps.remote import Parcel, WorkerDied, code_of, deliver, homes, resources, source_of
from bench.sweeps.returned import placed
from bench.training import Progress

#: Seconds between two looks at what has come in, at the workers there are, and without any until it is said.
LOOK, TEND, PATIENCE = 0.2, 1.0, 10.0
#: Seconds that a scheduler has to answer.
CONNECT = 20.0

Report = Callable[[Run, Progress], None]


@dataclass
class Sent:
    """A run, or a trial, that is with the scheduler.

    Attributes:
        future: Dask's.
        homes: folders of its plug-ins by path, by what they are called on a worker.
        steps: what was told of it.
    """

    future: Any
    homes: dict[str, Path] = field(default_factory=dict)
    steps: "queue.SimpleQueue[Progress]" = field(default_factory=queue.SimpleQueue)

    def told(self) -> Iterator[Progress]:
        """How far it has come since this was last asked."""
        while not self.steps.empty():
            yield self.steps.get()

    def outcome(self) -> tuple[str, Any]:
        """What :func:`bench.sweeps.remote.deliver` returned, or ``failed`` and why it could not."""
        from distributed import CancelledError, KilledWorker

        try:
            return self.future.result()  # type: ignore[no-any-return]
        except WorkerDied as error:
            return "failed", str(error)
        except KilledWorker as error:
            where = f", the last of them {error.last_worker.address}" if error.last_worker else ""
            return "failed", f"workers died of it{where}: killed, out of memory, or their time was over"
        except (CancelledError, OSError, TimeoutError) as error:
            return "failed", f"the cluster lost it: {type(error).__name__}: {error}"


class Cluster:
    """A Dask cluster that runs and trials are sent to.

    Args:
        client: connected to its scheduler.
        token: a file that only those see who share the results folder; the name of what is told.
        means: cores and seconds for each run.
        jobs: of a batch system; None: the cluster is somebody else's.
    """

    def __init__(self, client: Any, token: Path, means: Means, jobs: Batch | None):
        self.client, self.token, self.means, self.jobs = client, token, means, jobs
        self._listeners: dict[str, Sent] = {}
        self._threads, self._tended, self._lonely = 0, 0.0, time.monotonic()
        client.subscribe_topic(token.name, self._hear)

    def send(self, spec: RunSpec, name: str, fingerprint: str = "", force: bool = False) -> Sent:
        """Have a run done, or without a fingerprint a trial judged."""
        threads = self.means.threads or (self.jobs.threads if self.jobs else None)
        code, log = code_of(spec, self.means.log), self.means.log
        source = source_of(spec, self.token.parent)
        seconds = self.means.timeout
        parcel = Parcel(spec, fingerprint, code, self.token, force, threads, seconds, name, log, source)
        sent = Sent(
            self.client.submit(
                deliver,
                parcel,
                key=f"invbench-{name}-{self.token.name}",
                pure=False,
                resources=resources(spec),
                retries=RETRIES,
            ),
            homes(code),
        )
        self._listeners[name] = sent
        return sent

    def forget(self, name: str) -> None:
        """Take back what is not done, and let go of what is."""
        if sent := self._listeners.pop(name, None):
            if not sent.future.done():
                self.client.cancel([sent.future], force=True)
            sent.future.release()

    def close(self) -> None:
        """Take back all that is not done."""
        self.client.cancel([sent.future for sent in self._listeners.values()], force=True)
        self._listeners.clear()

    @property
    def room(self) -> int:
        """Runs that are done at a time; those of workers that are still to come included."""
        return max(self._threads, self.jobs.runs if self.jobs else 1)

    def tend(self) -> str:
        """Have jobs that ended begun anew; what to tell where no worker has been there for long."""
        now = time.monotonic()
        if now - self._tended < TEND:
            return ""
        self._tended, self._threads = now, sum(self.client.nthreads().values())
        if self.jobs:
            self.jobs.tend()
        if self._threads:
            self._lonely = now
        if now - self._lonely < PATIENCE:
            return ""
        output = f"; jobs print to {self.token.parent / 'cluster'}" if self.jobs else ""
        return f"waiting for a worker: none is with the scheduler {self.client.scheduler.address}{output}"

    def _hear(self, event: tuple[Any, tuple[str, Any]]) -> None:
        name, step = event[1]
        if sent := self._listeners.get(name):
            sent.steps.put(Progress(**step))


@contextmanager
def connected(means: Means, results: Path) -> Iterator[Cluster]:
    """The cluster that ``means`` name; at the end of the block what is not done is taken back.

    Raises:
        UsageError: no scheduler there, or Dask is not installed.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise UsageError('runs on a cluster need Dask: pip install "invbench[cluster]"') from error
    with ExitStack() as stack:
        jobs = stack.enter_context(batch(means.cluster, results / "cluster")) if means.cluster else None
        address = jobs.made if jobs else means.scheduler
        try:
            client = Client(address, timeout=CONNECT, name="invbench")
        except (OSError, TimeoutError, TypeError, ValueError) as error:  # TypeError: no certificate for TLS
            raise UsageError(f"no Dask scheduler answers at {address}: {error}") from error
        stack.enter_context(client)
        cluster = Cluster(client, stack.enter_context(_token(results)), means, jobs)
        stack.callback(cluster.close)
        yield cluster


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


def carry_out(
    runs: Sequence[Run], results: Path, force: bool, report: Report, means: Means
) -> Iterator[tuple[Run, Record]]:
    """Carry out runs on a Dask cluster: each with its record, as they finish.

    A run whose process or worker dies is begun again, on another worker where there is one, from its last
    checkpoint where that can be reached; then it has failed. When the iterator is closed or interrupted,
    what waits is taken back, and what runs is stopped where it is: checkpoints stand.

    Raises:
        UsageError: no scheduler there, or Dask is not installed.
    """
    todo = []
    for run in runs:
        if not force and (record := run.recorded(results)):
            yield run, record
        else:
            todo.append(run)
    if todo:
        with connected(means, results) as cluster:
            yield from _collected(cluster, todo, results, force, report)


def _collected(
    cluster: Cluster, runs: Sequence[Run], results: Path, force: bool, report: Report
) -> Iterator[tuple[Run, Record]]:
    """Send as many runs as are done at a time, and put in place what comes back.

    The others wait here: with the scheduler they would cost memory, and those that wait behind a worker
    that dies would be blamed for it.
    """
    from distributed import wait

    waiting, sent = list(reversed(runs)), dict[str, tuple[Run, Sent]]()
    while waiting or sent:
        look()
        if message := cluster.tend():
            report((waiting or [run for run, _ in sent.values()])[-1], Progress(stage=message))
        while waiting and len(sent) < cluster.room:
            run = waiting.pop()
            sent[run.fingerprint] = run, cluster.send(run.spec, run.fingerprint, run.fingerprint, force)
        for name, (run, one) in list(sent.items()):
            for step in one.told():
                report(run, step)
            if one.future.done():
                del sent[name]
                record = placed(run, one.outcome(), one.homes, results, cluster.means.log)
                cluster.forget(name)
                yield run, record
        if sent:
            try:
                wait([one.future for _, one in sent.values()], timeout=LOOK, return_when="FIRST_COMPLETED")
            except TimeoutError:
                continue
