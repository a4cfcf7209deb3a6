"""What came back from a worker of a cluster, put in place as the user named it."""

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench import files
from bench.component import Component
from bench.errors import BenchError
from bench.runs.following import log_folder
from bench.runs.record import Record, runs_folder
from bench.runs.runner import Run
from bench.runs.writing import writing
from bench.sweeps.remote import CODE


def placed(
    run: Run, outcome: tuple[str, Any], homes: dict[str, Path], results: Path, log: Sequence[Component]
) -> Record:
    """The record of a run, in place; of a run without one, a failed one that says why.

    Args:
        run: what was sent.
        outcome: what :func:`bench.sweeps.remote.deliver` returned.
        homes: folders of the plug-ins that were sent along, by what they are called on a worker.
        results: folder of the records.
        log: loggers whose files came back too.
    """
    kind, content = outcome
    if kind == "shared":
        return _renamed(content, run, homes, runs_folder(results) / run.fingerprint)
    if kind != "record":
        return run.fail(results, content)
    folder, logs = content
    try:
        for one, written in zip(log, logs, strict=True):
            _put(log_folder(results, one, run.spec, run.fingerprint), written)
        return _received(run, folder, homes, results)
    except (BenchError, OSError) as error:
        return run.fail(results, str(error))


def _renamed(record: Record, run: Run, homes: dict[str, Path], folder: Path) -> Record:
    """A record that a worker put in place itself: it stands there with the user's names in it."""
    path, own = folder / "record.json", _as_named(record, run, homes)
    # Where there is no room for it, the record is whole under the worker's names too.
    with suppress(OSError):
        # Not in place of another one: a failed run leaves a successful record where it is.
        if own != record and path.read_text(encoding="utf-8") == record.to_json():
            files.replace(path, own.to_json())
    return replace(own, folder=folder)


def _as_named(record: Record, run: Run, homes: dict[str, Path]) -> Record:
    """A record with plug-ins by path where the user has them: on the worker they lay elsewhere."""

    def there(found: re.Match[str]) -> str:
        return f"{homes[found[1]]}/" if found[1] in homes else found[0]

    def moved(text: str) -> str:
        return re.sub(rf"[^\s\"']*\b{CODE}/(\w+)/", there, text)

    error = record.error
    if error:
        words = {name: moved(getattr(error, name)) for name in ("message", "place", "traceback")}
        error = replace(error, **words)
    sources = {moved(name): sha for name, sha in record.sources.items()}
    return replace(record, spec=run.spec, sources=sources, error=error)


def _put(folder: Path, content: dict[str, bytes]) -> None:
    """Put files that came over the wire into a folder, in place of what it has."""
    files.remove(folder)
    for below, body in content.items():
        path = folder / below
        if not path.resolve().is_relative_to(folder.resolve()):
            raise BenchError(f"a worker sent a file called {below!r}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)


def _received(run: Run, content: dict[str, bytes], homes: dict[str, Path], results: Path) -> Record:
    """Put a record that came over the wire in place, with the spec that was asked for, in one step.

    Raises:
        BenchError: it is no record of this run, or not whole.
    """
    with writing(results, run.fingerprint) as folder:
        for name, body in content.items():
            if Path(name).name != name:
                raise BenchError(f"a worker sent a file called {name!r}")
            (folder / name).write_bytes(body)
        record = Record.read(folder)
        if record.fingerprint != run.fingerprint or record.damaged():
            raise BenchError(f"a worker sent something else than the record of {run.fingerprint}")
        record = _as_named(record, run, homes)
        (folder / "record.json").write_text(record.to_json(), encoding="utf-8")
    return replace(record, folder=runs_folder(results) / run.fingerprint)
