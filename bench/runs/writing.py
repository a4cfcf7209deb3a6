"""A run's folder, written whole or not at all, and what dead writers left of theirs."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bench import files
from bench.errors import BenchError
from bench.runs import lease
from bench.runs.record import Record, runs_folder

#: Temporary folders of a run: a dot, its fingerprint, and a word of the writer's.
DRAFT = re.compile(r"(\.([0-9a-f]{16})-\w+)(-old\d+)?")


def run_lease(results: Path, fingerprint: str) -> Path:
    """The lease of whoever works on a run."""
    return runs_folder(results) / f".{fingerprint}.lease"


@contextmanager
def writing(results: Path, fingerprint: str) -> Iterator[Path]:
    """A temporary folder that becomes the run's folder when the block ends and left a record in it.

    Raises:
        UsageError: results cannot be written there.
        BenchError: the record cannot be put in place; the one that was there stays.
    """
    final = runs_folder(results) / fingerprint
    try:
        with drafting(final) as draft:
            yield draft
            if (draft / "record.json").is_file():
                for file in draft.iterdir():
                    files.flush(file)
                files.put_in_place(draft, final)
    except OSError as error:
        raise BenchError(f"cannot write results to {results}: {error.strerror or error}") from error


@contextmanager
def drafting(final: Path) -> Iterator[Path]:
    """A temporary folder beside a run's place, with a lease as long as its writer lives; removed in the end.

    Write ``record.json`` last: if the writer dies, a folder that has it whole becomes the run's.
    """
    draft = files.beside(final)
    with lease.held(_draft_lease(draft)):
        try:
            draft.mkdir()
            yield draft
        finally:
            files.remove(draft)


def tidy(results: Path) -> None:
    """Remove temporary folders whose writer is dead; a record that one of them was about to put in place is.

    A writer on another host is known to be dead only when its lease has not changed over several calls.
    """
    folder = runs_folder(results)
    drafts = {path: match for path in folder.glob(".*-*") if (match := DRAFT.fullmatch(path.name))}
    for draft, match in drafts.items():
        beat, final = draft.with_name(f"{match[1]}.lease"), folder / match[2]
        if not (lease.dead(beat) if beat.is_file() else lease.unchanged(draft, _state(draft))):
            continue
        if not final.exists() and _complete(draft):
            with suppress(OSError):
                os.rename(draft, final)
        files.remove(draft)
    for beat in folder.glob(".*-*.lease"):
        if not beat.with_suffix("").exists() and lease.dead(beat):
            beat.unlink(missing_ok=True)


def _draft_lease(draft: Path) -> Path:
    return draft.with_name(f"{draft.name}.lease")


def _complete(draft: Path) -> bool:
    try:
        record = Record.read(draft)
    except BenchError:
        return False
    return record.fingerprint in draft.name and not record.damaged()


def _state(draft: Path) -> list[tuple[str, int]]:
    """Names and times of a folder's files: what changes while somebody writes there."""
    with suppress(OSError):
        return sorted((path.name, path.stat().st_mtime_ns) for path in draft.iterdir())
    return []
