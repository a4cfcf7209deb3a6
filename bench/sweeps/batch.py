"""Dask workers as jobs of a batch system, by a small TOML."""

import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.errors import UsageError

#: Batch systems that dask-jobqueue knows; SLURM is the one that this is written for.
SYSTEMS = {
    "slurm": "SLURMCluster", "pbs": "PBSCluster", "sge": "SGECluster", "lsf": "LSFCluster",
    "htcondor": "HTCondorCluster", "oar": "OARCluster",
}  # fmt: skip


@dataclass
class Batch:
    """Jobs of a batch system.

    Attributes:
        made: dask-jobqueue's cluster.
        jobs: that there are to be at a time.
        each: runs at a time in each.
        threads: cores for each run.
    """

    made: Any
    jobs: int
    each: int
    threads: int

    @property
    def runs(self) -> int:
        """Runs at a time in all jobs."""
        return self.jobs * self.each

    def tend(self) -> None:
        """Submit jobs anew in place of those that ended: their walltime was over, or they were killed."""
        self.made.scale(jobs=self.jobs)


@contextmanager
def batch(file: Path, output: Path) -> Iterator[Batch]:
    """Jobs as a TOML says: keys of dask-jobqueue's classes, and four of ours.

    ``system`` (slurm), ``jobs`` (1: at a time), ``gpus`` (0: of each job; as many runs at a time), ``runs``
    (1: at a time in each job, where there are no GPUs). The runs of a job share its ``cores``. What jobs
    print goes to the folder ``output``, unless the file has a ``log_directory``.

    Raises:
        UsageError: what the file says makes no sense, or dask-jobqueue is not installed.
    """
    try:
        settings = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{file}: {error}") from error
    system = settings.pop("system", "slurm")
    counts = {key: settings.pop(key, least) for key, least in (("jobs", 1), ("gpus", 0), ("runs", 1))}
    counts["cores"] = settings.get("cores", 1)
    for key, value in counts.items():
        if type(value) is not int or value < (key not in ("jobs", "gpus")):
            raise UsageError(f"{file}: {key} must be a whole number, not {value!r}")
    if system not in SYSTEMS:
        raise UsageError(f"{file}: unknown system {system!r}. There are: {', '.join(SYSTEMS)}.")
    try:
        import dask_jobqueue
    except ImportError as error:
        raise UsageError('a batch system needs dask-jobqueue: pip install "invbench[cluster]"') from error
    try:
        output.mkdir(parents=True, exist_ok=True)
        arguments = {"log_directory": str(output)} | _arguments(settings, system, counts)
        made = getattr(dask_jobqueue, SYSTEMS[system])(**arguments)
    except (TypeError, ValueError) as error:
        raise UsageError(f"{file}: {error}") from error
    each = counts["gpus"] or counts["runs"]
    with made:
        made.scale(jobs=counts["jobs"])
        yield Batch(made, counts["jobs"], each, max(1, counts["cores"] // each))


def _arguments(settings: dict[str, Any], system: str, counts: dict[str, int]) -> dict[str, Any]:
    """What dask-jobqueue's class is called with."""
    import dask

    gpus = counts["gpus"]
    # Given twice, the last one holds: a thread of a worker is a run at a time, not a core.
    extra = [*settings.pop("worker_extra_args", []), "--nthreads", str(gpus or counts["runs"])]
    extra += ["--resources", f"GPU={gpus}"] if gpus else []
    directives = [*settings.pop("job_extra_directives", [])]
    directives += [f"--gres=gpu:{gpus}"] if gpus and system == "slurm" else []
    given: dict[str, Any] = {"cores": 1, "processes": 1, "memory": "4GB"} | settings
    # -P: nothing is imported because it lies in the folder that jobs are submitted from.
    configured = dask.config.get(f"jobqueue.{system}.python", None)
    given["python"] = f"{given.get('python') or configured or sys.executable} -P"
    # Two sweeps on one machine would want the same port.
    given["scheduler_options"] = {"dashboard_address": ":0"} | given.get("scheduler_options", {})
    return given | {"worker_extra_args": extra, "job_extra_directives": directives}
