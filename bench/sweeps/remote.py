"""What travels to a worker on another machine, and what it does with it."""

import contextlib
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from bench.errors import BenchError, reason
from bench.files import replacing_folder
from bench.registry import is_path
from bench.runs import transfer
from bench.runs.assembly import components
from bench.runs.record import runs_folder
from bench.runs.runner import Run
from bench.sources import files_of
from bench.spec import Component, RunSpec
from bench.sweeps.means import Means
from bench.training import Progress

#: Seconds between two reports of one run.
REPORT_EVERY = 0.5


class Stopped(BaseException):
    """The run was taken back, or took too long: no failure of its own, its checkpoint stands."""


@dataclass(frozen=True)
class Parcel:
    """A run, with the code that it names by path.

    Attributes:
        spec: the run.
        fingerprint: that it must have there too.
        code: content of the files of each plug-in given by path: by its name in the spec, by path below.
        token: a file that is there where the results folder is shared.
        source: record and weights of the run that it has its weights from, by name.
        force: run again what has a record.
        threads: cores; None: what the worker has.
        timeout: seconds; None: as long as it takes.
    """

    spec: RunSpec
    fingerprint: str
    code: dict[str, dict[str, bytes]]
    source: dict[str, bytes]
    token: Path
    force: bool
    threads: int | None
    timeout: float | None


def packed(run: Run, results: Path, token: Path, force: bool, means: Means) -> Parcel:
    """All that a worker needs for a run."""
    code = {}
    for _, part in components(run.spec):
        if is_path(part.name):
            path = Path(part.name).expanduser().resolve()
            files = {os.path.relpath(file, path.parent): file.read_bytes() for file in files_of(path)}
            code[part.name] = files
    files = {}
    if run.spec.trained_on:
        folder = transfer.source(run.spec, results).folder or results
        files = {name: (folder / name).read_bytes() for name in ("record.json", transfer.WEIGHTS)}
    return Parcel(run.spec, run.fingerprint, code, files, token, force, means.threads, means.timeout)


def resources(run: Run) -> dict[str, float]:
    """What Dask has to give a run: one GPU, if it is to be on one."""
    return {"GPU": 1.0} if run.spec.device.startswith("cuda") else {}


def deliver(parcel: Parcel) -> tuple[str, Any]:
    """Do the run on this worker: the record's files, or that it lies in the shared folder, or why not."""
    import torch

    if parcel.threads:
        torch.set_num_threads(parcel.threads)
    shared = parcel.token.is_file()
    with tempfile.TemporaryDirectory(prefix="invbench-code-") as home:
        results = parcel.token.parent if shared else _scratch()
        try:
            run = Run(_unpacked(parcel, Path(home)))
            if not shared:
                _lay_out(parcel, results)
            if run.fingerprint != parcel.fingerprint:
                return "failed", "the worker has other images, files or another version than this machine"
            record = run.execute(results, parcel.force, _reporter(parcel))
        except Stopped as stopped:
            return "failed", str(stopped)
        except BenchError as error:
            return "failed", reason(error)
        if shared:
            return "shared", record.fingerprint
        folder = runs_folder(results) / run.fingerprint
        files = {path.name: path.read_bytes() for path in folder.iterdir()}
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()
        return "record", files


def _lay_out(parcel: Parcel, results: Path) -> None:
    """The source of a transferred run where it is looked for."""
    learned = parcel.spec.trained_on
    folder = runs_folder(results) / learned.run if learned else None
    if folder is not None and not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with replacing_folder(folder) as draft:
            for name, content in parcel.source.items():
                (draft / name).write_bytes(content)


def _scratch() -> Path:
    """Where a worker without the shared folder keeps checkpoints: another start of the run finds them."""
    return Path(tempfile.gettempdir()) / f"invbench-{os.getuid()}"


def _unpacked(parcel: Parcel, home: Path) -> RunSpec:
    """The spec with its plug-ins where this worker has them."""
    moved = {}
    for number, (name, files) in enumerate(parcel.code.items()):
        for below, content in files.items():
            # A worker that is sent code runs it anyway; a path that leads elsewhere is a slip, not an attack.
            path = home / str(number) / below
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        moved[name] = str(home / str(number) / Path(name).name)

    def there(part: Component) -> Component:
        return Component(moved.get(part.name, part.name), part.params)

    spec = parcel.spec
    learned = spec.trained_on
    if learned:
        chain = tuple(map(there, learned.operator))
        learned = replace(learned, operator=chain, dataset=there(learned.dataset))
    return replace(
        spec,
        operator=tuple(map(there, spec.operator)),
        model=there(spec.model),
        dataset=there(spec.dataset),
        metrics=tuple(map(there, spec.metrics)),
        trained_on=learned,
    )


def _reporter(parcel: Parcel) -> Callable[[Progress], None]:
    """Tells the client how far the run is; ends it when it was taken back, or has taken too long."""
    from distributed import get_worker

    worker, started, told = get_worker(), time.monotonic(), 0.0
    key = worker.get_current_task()

    def report(step: Progress) -> None:
        nonlocal told
        now = time.monotonic()
        if parcel.timeout is not None and now - started > parcel.timeout:
            raise Stopped(f"it took longer than the timeout of {parcel.timeout:g} s")
        if now - told < REPORT_EVERY and step.step != step.steps:
            return
        told = now
        task = worker.state.tasks.get(key)
        if task is None or task.state == "cancelled":
            raise Stopped("it was taken back")
        with contextlib.suppress(OSError):
            worker.log_event(parcel.token.name, (parcel.fingerprint, asdict(step)))

    return report
