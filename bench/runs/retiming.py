"""Speeds of recorded runs, taken again: what runs at a time slow each other down by."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bench import files
from bench.errors import BenchError, UsageError
from bench.runs import lease, provenance, timing
from bench.runs.determinism import deterministic
from bench.runs.evaluation import speed
from bench.runs.record import Record
from bench.runs.runner import Run
from bench.runs.verify import restored
from bench.runs.writing import run_lease
from bench.spec import NUMBERS


def retime(record: Record, trust: Sequence[str] = ()) -> Record:
    """Time the stored model of a run, and write that in its record, in place of what was said of it.

    It works on as many cores as then. Scores, all that training took and the provenance stay as they are.

    Args:
        record: read from a results folder.
        trust: files, folders and plug-ins that it may use; see :func:`bench.runs.trust.trusted`.

    Returns:
        The record as it is now.

    Raises:
        UsageError: the run cannot be made again here, was made on other hardware, or with other code.
        BenchError: another process works on it or has made it again, or the record cannot be written.
    """
    run = restored(record, trust, "time")
    _check(record, run)
    folder = record.folder
    assert folder is not None  # restored has looked
    with (
        lease.held(run_lease(folder.parent.parent, record.fingerprint)),
        timing.threads(_threads(record)),
        deterministic(run.device),
    ):
        if Record.read(folder).to_json() != record.to_json():
            raise BenchError(f"run {record.fingerprint} was made again meanwhile")
        taken = speed(run.model, run.problem, run.spec.seed)
        kept = {k: v for k, v in record.timings.items() if not k.startswith(timing.OF_INFERENCE)}
        again = replace(record, timings=kept | taken)
        _write(folder / "record.json", again)
    return again


def _check(record: Record, run: Run) -> None:
    """Refuse a machine and code whose speed would not be the record's."""
    here = provenance.hardware(run.device)
    if here != record.provenance.hardware:
        raise UsageError(
            f"run {record.fingerprint} was made on {record.provenance.hardware}, and this is {here}: "
            "its speeds are taken again there"
        )
    if record.numbers != NUMBERS or sorted(run.sources.values()) != sorted(record.sources.values()):
        raise UsageError(f"the code of run {record.fingerprint} is not the recorded one: run it again")


def _threads(record: Record) -> int:
    """The cores that it worked on; a stranger's record may name any number."""
    said, cores = record.timings.get("threads", record.provenance.threads), os.cpu_count() or 1
    if not 1 <= said <= cores:
        raise UsageError(f"run {record.fingerprint} names {said:g} threads; this machine has {cores} cores")
    return int(said)


def _write(path: Path, record: Record) -> None:
    try:
        files.replace(path, record.to_json())
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror or error}") from error
