"""What travels to a worker on another machine, and what it does with it."""

import contextlib
import hashlib
import math
import os
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from bench import files
from bench.component import Component
from bench.errors import reason
from bench.recipe import override
from bench.registry import is_path
from bench.runs import transfer
from bench.runs.assembly import components
from bench.runs.following import log_folder
from bench.runs.record import runs_folder
from bench.sources import files_of
from bench.spec import RunSpec
from bench.sweeps.local import free_gpu
from bench.sweeps.process import Order, Worker, ready, stop
from bench.training import Progress

#: Seconds between two reports of one run, and between two looks at what it does.
REPORT_EVERY, LOOK = 0.5, 0.1
#: Where a worker keeps plug-ins by path, each in a folder called by its content.
CODE = "invbench-code"


class WorkerDied(Exception):
    """The process of a run died: Dask begins it again, perhaps elsewhere."""


@dataclass(frozen=True)
class Parcel:
    """A run, with the code that it names by path.

    Attributes:
        spec: the run.
        fingerprint: that it must have there too; empty: it is a trial of a tuning.
        code: content of the files of each plug-in given by path: by its name in the spec, by path below.
        token: a file that is there where the results folder is shared.
        force: run again what has a record.
        threads: cores; None: the worker's, shared among its threads.
        timeout: seconds; None: as long as it takes.
        name: by which the client knows what is told of it.
        log: loggers that are told of it.
        source: record and weights of the run that it has its weights from, by name.
    """

    spec: RunSpec
    fingerprint: str
    code: dict[str, dict[str, bytes]]
    token: Path
    force: bool = False
    threads: int | None = None
    timeout: float | None = None
    name: str = ""
    log: tuple[Component, ...] = ()
    source: dict[str, bytes] = field(default_factory=dict)


def code_of(spec: RunSpec, log: Sequence[Component] = ()) -> dict[str, dict[str, bytes]]:
    """The files of each plug-in that is named by path: by its name, by path below its folder."""
    code = {}
    for part in (*(part for _, part in components(spec)), *log):
        if is_path(part.name):
            path = Path(part.name).expanduser().resolve()
            code[part.name] = {
                os.path.relpath(file, path.parent): file.read_bytes() for file in files_of(path)
            }
    return code


def homes(code: dict[str, dict[str, bytes]]) -> dict[str, Path]:
    """The folder of each plug-in by path, by the name of the folder that it has on a worker."""
    return {_digest(content): Path(name).parent for name, content in code.items()}


def _digest(code: dict[str, bytes]) -> str:
    return hashlib.sha256(repr(sorted(code.items())).encode()).hexdigest()[:16]


def source_of(spec: RunSpec, results: Path) -> dict[str, bytes]:
    """Record and weights of the run that a run has its weights from, by name; nothing where it trains."""
    if not spec.trained_on:
        return {}
    folder = transfer.source(spec, results).folder or results
    return {name: (folder / name).read_bytes() for name in ("record.json", transfer.WEIGHTS)}


def resources(spec: RunSpec) -> dict[str, float]:
    """What Dask has to give a run: one GPU, if it is to be on one."""
    return {"GPU": 1.0} if spec.device.startswith("cuda") else {}


def deliver(parcel: Parcel) -> tuple[str, Any]:
    """Do the run in a process of this thread's own, as ``--jobs`` does on one machine.

    Returns:
        ``shared`` and the record, which lies in the results folder; ``record`` and the files of its folder
        and of its logs; ``judged`` or ``pruned`` and what came of a trial; or ``failed`` and why.

    Raises:
        WorkerDied: the process was killed, or ended by itself.
    """
    shared = parcel.token.is_file()
    results = parcel.token.parent if shared else _scratch()
    spec, log = _unpacked(parcel)
    if not shared:
        _lay_out(parcel, results)
    order = Order(spec)
    if parcel.fingerprint:
        order = Order(spec, results, parcel.force, wait=True, fingerprint=parcel.fingerprint, log=log)
    kind, content = _supervised(order, parcel)
    match kind:
        case "died":
            raise WorkerDied(content)
        case "other":
            return "failed", "the worker has other images, files or another version than this machine"
        case "late":
            return "failed", content
        case "error":
            return "failed", reason(content)
        case "done" if shared:
            return "shared", content
        case "done":
            logs = [_taken(log_folder(results, one, spec, parcel.fingerprint)) for one in log]
            return "record", (_taken(runs_folder(results) / parcel.fingerprint), logs)
    return kind, content


def _lay_out(parcel: Parcel, results: Path) -> None:
    """The source of a transferred run where it is looked for."""
    learned = parcel.spec.trained_on
    folder = runs_folder(results) / learned.run if learned else None
    if folder is not None and not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with files.replacing_folder(folder) as draft:
            for name, content in parcel.source.items():
                (draft / name).write_bytes(content)


def _taken(folder: Path) -> dict[str, bytes]:
    """The files of a folder, which is removed: their place is with the client."""
    found = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    files.remove(folder)
    return found


#: The process of each of this worker's threads: it lives as long as the worker, and does run after run.
_processes: dict[int, Worker] = {}
_choosing = threading.Lock()


def _process(parcel: Parcel) -> Worker:
    """This thread's process, with the cores that the run is to have, and a GPU that no other has."""
    from dask.system import CPU_COUNT
    from distributed import get_worker

    key = threading.get_ident()
    threads = parcel.threads or max(1, CPU_COUNT // get_worker().state.nthreads)
    with _choosing:
        there = _processes.pop(key, None)
        gpu = free_gpu(list(_processes.values()), parcel.spec.device)
        if there and not _serves(there, threads, gpu):
            stop([there])
            there = None
        _processes[key] = there or Worker(threads, gpu)
        return _processes[key]


def _serves(worker: Worker, threads: int, gpu: str | None) -> bool:
    """Whether a process lives and has what a run needs."""
    lives = not worker.late and worker.process.poll() is None
    return lives and (worker.threads, worker.gpu is None) == (threads, gpu is None)


def _supervised(order: Order, parcel: Parcel) -> tuple[str, Any]:
    """What came of an order; meanwhile its process is held to time and memory, and the client is told."""
    worker, tell, ended = _process(parcel), _teller(parcel), _watcher(parcel)
    worker.give(order)
    try:
        while True:
            if ready([worker], LOOK):
                kind, content = worker.receive()
                if kind != "progress":
                    return kind, content
                tell(content)
            if end := ended(worker):
                return end
            worker.hurry(parcel.timeout)
    finally:
        if worker.busy:
            stop([worker])


def _teller(parcel: Parcel) -> Callable[[Progress], None]:
    """Tells the client how far a run is, not too often."""
    from distributed import get_worker

    here, told, last = get_worker(), 0.0, ""

    def tell(step: Progress) -> None:
        nonlocal told, last
        now = time.monotonic()
        if now - told < REPORT_EVERY and step.step not in (1, step.steps) and step.stage == last:
            return
        told, last = now, step.stage
        with contextlib.suppress(OSError):
            here.log_event(parcel.token.name, (parcel.name or parcel.fingerprint, asdict(step)))

    return tell


def _watcher(parcel: Parcel) -> Callable[[Worker], tuple[str, str] | None]:
    """Says why a run has to end, where it has to: it was taken back, or takes too much memory."""
    import psutil
    from distributed import get_worker

    here = get_worker()
    key, limit = here.get_current_task(), here.memory_manager.memory_limit
    share = limit / here.state.nthreads if limit else math.inf

    def ended(worker: Worker) -> tuple[str, str] | None:
        task = here.state.tasks.get(key)
        if task is None or task.state == "cancelled":
            return "failed", "it was taken back"
        with contextlib.suppress(psutil.Error):
            if psutil.Process(worker.process.pid).memory_info().rss > share:
                allowed = f"the {share / 1e9:.3g} GB that its worker has for a run (--memory-limit)"
                return "died", f"out of memory: it took more than {allowed}"
        return None

    return ended


def _scratch() -> Path:
    """Where a worker without the shared folder keeps checkpoints: another start of the run finds them.

    Beside the worker's own folder, which Dask puts where ``--local-directory`` says.
    """
    from distributed import get_worker

    place = Path(get_worker().local_directory).parent / f"invbench-{os.getuid()}"
    with contextlib.suppress(FileExistsError):
        place.mkdir(mode=0o700)
    # In a folder that everybody may write to, somebody else could have been first.
    if place.stat().st_uid != os.getuid() or place.is_symlink():
        return Path(tempfile.mkdtemp(prefix="invbench-"))
    return place


def _unpacked(parcel: Parcel) -> tuple[RunSpec, tuple[Component, ...]]:
    """Spec and loggers with their plug-ins where this worker has them: the same files lie there again."""
    from distributed import get_worker

    home = Path(get_worker().local_directory) / CODE
    moved = {name: str(_laid(home, content) / Path(name).name) for name, content in parcel.code.items()}

    def there(part: Component) -> Component:
        return Component(moved.get(part.name, part.name), part.params)

    recipe, learned = parcel.spec.recipe, parcel.spec.trained_on
    if recipe:
        own = {name: Component.parse(getattr(recipe, name)) for name in ("loss", "optimizer")}
        recipe = override(recipe, {k: str(there(p)) for k, p in own.items() if p.name in moved})
    if learned:
        chain = tuple(map(there, learned.operator))
        learned = replace(learned, operator=chain, dataset=there(learned.dataset))
    spec = replace(
        parcel.spec,
        operator=tuple(map(there, parcel.spec.operator)),
        model=there(parcel.spec.model),
        dataset=there(parcel.spec.dataset),
        metrics=tuple(map(there, parcel.spec.metrics)),
        recipe=recipe,
        trained_on=learned,
    )
    return spec, tuple(map(there, parcel.log))


def _laid(home: Path, code: dict[str, bytes]) -> Path:
    """A folder of these files, named by their content."""
    digest = _digest(code)
    # Two threads may be sent the same code at once.
    with _choosing:
        for below, content in code.items():
            # A worker that is sent code runs it anyway; a path that leads elsewhere is a slip, not an attack.
            path = home / digest / below
            if not path.is_file():
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
    return home / digest
