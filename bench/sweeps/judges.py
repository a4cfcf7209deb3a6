"""Where the trials of a tuning are judged: in this process, in others, or on a cluster."""

import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from bench.errors import BenchError
from bench.spec import RunSpec
from bench.sweeps.cluster import LOOK, Cluster, connected
from bench.sweeps.means import RETRIES, Means, gpus
from bench.sweeps.process import Order, Worker, ready, stop
from bench.sweeps.trial import Pruned, validated
from bench.sweeps.worker import PRUNE
from bench.training import Progress

#: Is told how far a trial is; raises :class:`bench.sweeps.trial.Pruned` to end it.
Watch = Callable[[Progress], None]


class Stopped(Exception):
    """The tuning is over before the trial: it has not been spent."""


class Judge(Protocol):
    """Validation PSNR of a spec in dB, and the settings that its ``fit`` tried itself.

    Raises:
        Pruned: from the watch.
        BenchError: the trial failed.
        Stopped: the tuning was ended.
    """

    def __call__(self, spec: RunSpec, watch: Watch, /) -> tuple[float, int]: ...


@contextmanager
def judging(means: Means, results: Path, trials: int) -> Iterator[Sequence[Judge]]:
    """As many judges as trials can be judged at a time; at the end of the block they stop at once."""
    if means.in_process:
        yield [validated]
    elif means.elsewhere:
        with connected(means, results) as cluster:
            cluster.tend()
            remote = [_OnCluster(cluster) for _ in range(min(cluster.room, trials))]
            try:
                yield remote
            finally:
                for one in remote:
                    one.stopped = True
    else:
        local = [_InProcess(means, number) for number in range(min(means.jobs, trials))]
        try:
            yield local
        finally:
            for judge in local:
                judge.stopped = True
            stop([judge.worker for judge in local if judge.worker])


class _InProcess:
    """Judges in a worker process, which is begun anew once where it dies; each on a GPU of its own."""

    def __init__(self, means: Means, number: int):
        self.means, self.number, self.stopped = means, number, False
        self.worker: Worker | None = None

    def __call__(self, spec: RunSpec, watch: Watch) -> tuple[float, int]:
        for _ in range(1 + RETRIES):
            kind, content = self._outcome(spec, watch)
            if self.stopped:
                raise Stopped
            if kind != "died":
                break
        return _verdict(kind, content)

    def _outcome(self, spec: RunSpec, watch: Watch) -> tuple[str, Any]:
        there = gpus() if spec.device == "cuda" and not self.worker else []
        gpu = there[self.number % len(there)] if len(there) > 1 else None
        worker = self.worker = self.worker or Worker(self.means.share(), gpu)
        worker.give(Order(spec))
        while not self.stopped:
            if ready([worker], LOOK):
                kind, content = worker.receive()
                if kind in ("died", "late"):
                    self.worker = None
                if kind != "progress":
                    return kind, content
                try:
                    watch(content)
                except Pruned:
                    worker.send(PRUNE)
            worker.hurry(self.means.timeout)
        raise Stopped


class _OnCluster:
    """Judges on whichever worker of a cluster is free."""

    def __init__(self, cluster: Cluster):
        self.cluster, self.stopped = cluster, False

    def __call__(self, spec: RunSpec, watch: Watch) -> tuple[float, int]:
        from distributed import wait

        name = f"trial-{secrets.token_hex(8)}"
        sent = self.cluster.send(spec, name)
        try:
            while not sent.future.done():
                for step in sent.told():
                    watch(step)
                if self.stopped:
                    raise Stopped
                try:
                    wait([sent.future], timeout=LOOK)
                except TimeoutError:
                    continue
            return _verdict(*sent.outcome())
        finally:
            self.cluster.forget(name)


def _verdict(kind: str, content: Any) -> tuple[float, int]:
    """What a judge says of an outcome."""
    if kind == "judged":
        return content  # type: ignore[no-any-return]
    if kind == "pruned":
        raise Pruned
    raise content if kind == "error" else BenchError(content)
