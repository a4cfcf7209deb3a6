"""With what the runs of a sweep are carried out: how many at a time, on how many cores, for how long."""

import math
import os
from dataclasses import dataclass
from pathlib import Path

from bench.component import Component
from bench.errors import UsageError

#: How often a run whose worker died is begun again, on another worker.
RETRIES = 1


@dataclass(frozen=True)
class Means:
    """What a sweep may use.

    Attributes:
        jobs: runs at a time on this machine, each in a process of its own where there are several.
        threads: cores for each run; None: those that torch would use, shared out among the jobs.
        timeout: seconds that a run may take; None: as long as it takes.
        scheduler: address of a Dask scheduler whose workers do the runs.
        cluster: TOML of a batch system whose jobs do them (:mod:`bench.sweeps.batch`).
        log: loggers that are told of each run (:mod:`bench.loggers`).

    Raises:
        UsageError: a number that makes no sense.
    """

    jobs: int = 1
    threads: int | None = None
    timeout: float | None = None
    scheduler: str | None = None
    cluster: Path | None = None
    log: tuple[Component, ...] = ()

    def __post_init__(self) -> None:
        if self.jobs < 1:
            raise UsageError(f"jobs must be at least 1, not {self.jobs}")
        if self.threads is not None and not 1 <= self.threads <= 4096:
            raise UsageError(f"threads must be from 1 to 4096, not {self.threads}")
        if self.timeout is not None and not 0 < self.timeout < math.inf:
            raise UsageError(f"a timeout is a positive number of seconds, not {self.timeout:g}")
        if (self.scheduler or self.cluster) and (self.jobs > 1 or (self.scheduler and self.cluster)):
            raise UsageError("give one of --jobs, --scheduler and --cluster: each says where runs are done")

    @property
    def in_process(self) -> bool:
        """Whether this process does the runs itself: only one of another process can be ended in time."""
        return self.jobs == 1 and self.timeout is None and not self.elsewhere

    @property
    def elsewhere(self) -> bool:
        """Whether the runs are done on a cluster."""
        return bool(self.scheduler or self.cluster)

    def share(self) -> int:
        """Cores for each run."""
        import torch

        return self.threads or max(1, torch.get_num_threads() // self.jobs)


#: One run after another, in this process, on all cores.
ALONE = Means()


def gpus() -> list[str]:
    """What ``CUDA_VISIBLE_DEVICES`` calls the GPUs that this process may use."""
    import torch

    if not torch.cuda.is_available():
        return []
    named = [name.strip() for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    return named or [str(number) for number in range(torch.cuda.device_count())]
