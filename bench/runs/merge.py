"""Records from another results folder: each is checked, none is overwritten."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from bench import files
from bench.component import Component
from bench.errors import BenchError, UsageError
from bench.runs.reading import MOST_FILE, opened, sha256
from bench.runs.record import Record, runs_folder
from bench.runs.writing import drafting, tidy
from bench.spec import NUMBERS, RunSpec
from bench.text import printable

#: Bytes that are copied at a time.
CHUNK = 2**20


@dataclass
class Merged:
    """What came of a merge.

    Attributes:
        added: names of the records that were brought in.
        there: names of those that are here already, the same to the last byte of ``record.json``.
        conflicts: one line for each whose place another record holds.
        refused: one line for each that is no sound record.
    """

    added: list[str] = field(default_factory=list)
    there: list[str] = field(default_factory=list)
    conflicts: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    def refuse(self, name: str, error: BenchError) -> None:
        """Note that a record is no sound one."""
        self.refused.append(printable(f"{name}: {error}")[:300])

    def text(self) -> str:
        """For people: the counts, then what was left where it is, and why."""
        counts = f"{len(self.added)} records brought in, {len(self.there)} here already"
        bad = f"{len(self.conflicts)} in conflict, {len(self.refused)} refused"
        return "\n".join([f"{counts}, {bad}", *self.conflicts, *self.refused])


def merge(other: Path, results: Path) -> Merged:
    """Bring the records of ``other`` into ``results``.

    A record is brought in if its schema is this version's, its scores are those of its units, each of
    its files is the one that was written, and its name follows from what it says was run. Only files
    that it names are copied; no link is followed.

    Raises:
        UsageError: ``other`` is no results folder, or is this one; ``results`` cannot be written.
    """
    if not runs_folder(other).is_dir():
        raise UsageError(f"{other} is no results folder: it has no folder called runs")
    if results.exists() and other.resolve() == results.resolve():
        raise UsageError(f"{other} is the folder that records are to be brought into; name another one")
    merged = Merged()
    try:
        runs_folder(results).mkdir(parents=True, exist_ok=True)
        tidy(results)
        for folder in sorted(p for p in runs_folder(other).glob("[!.]*") if p.is_dir()):
            _bring(folder, results, merged)
    except OSError as error:
        raise UsageError(f"cannot write results to {results}: {error.strerror or error}") from error
    return merged


def _bring(folder: Path, results: Path, merged: Merged) -> None:
    name, target = printable(folder.name)[:80], runs_folder(results) / folder.name
    try:
        record = _sound(folder)
    except BenchError as error:
        merged.refuse(name, error)
        return
    try:
        if not os.path.lexists(target) and _copied(record, folder, target):
            merged.added.append(name)
        # Another merge may have been first.
        elif _same(target / "record.json", folder / "record.json"):
            merged.there.append(name)
        else:
            merged.conflicts.append(_conflict(record, target))
    except UsageError:  # of the results, which cannot be written; the record is sound
        raise
    except BenchError as error:
        merged.refuse(name, error)


def _same(ours: Path, theirs: Path) -> bool:
    with suppress(BenchError):
        return sha256(ours) == sha256(theirs)
    return False


def _sound(folder: Path) -> Record:
    from bench.leaderboard.loading import read_checked

    record = read_checked(folder)
    if damaged := record.damaged():
        raise BenchError(f"{', '.join(damaged[:3])}: not the file that was written, or missing")
    if _follows(record.spec, record.numbers) and named(record) != record.fingerprint:
        raise BenchError("its name does not follow from its spec, data and code: edited?")
    return record


def named(record: Record) -> str:
    """The name that a record's spec, data and code give it, by the rule of this version."""
    sources = [sha for kind, sha in record.sources.items() if not kind.startswith("dataset ")]
    return record.spec.fingerprint(record.data.digest, sources)


def _follows(spec: RunSpec, numbers: int) -> bool:
    """Whether a name can be worked out here: not one of another version, or of files elsewhere."""
    return numbers == NUMBERS and not any(_is_file(value) for value in _values(spec))


def _values(spec: RunSpec) -> Iterator[object]:
    learned = (*spec.trained_on.operator, spec.trained_on.dataset) if spec.trained_on else ()
    for part in (*spec.operator, spec.model, spec.dataset, *spec.metrics, *learned):
        yield from part.params.values()
    yield spec.protocol
    yield spec.recipe.loss if spec.recipe else ""
    yield Component.parse(spec.recipe.optimizer).name if spec.recipe else ""


def _is_file(value: object) -> bool:
    return isinstance(value, Path) or (isinstance(value, str) and (os.sep in value or "." in value))


def _copied(record: Record, folder: Path, target: Path) -> bool:
    """Copy a record's files beside its place and rename the folder; False if somebody came first."""
    try:
        with drafting(target) as draft:
            for name in (*record.files, "record.json"):
                if _copy(folder / name, draft / name) != record.files.get(name) and name in record.files:
                    raise BenchError(f"{name} changed while it was copied")
            if Record.read(draft).to_json() != record.to_json():
                raise BenchError("record.json changed while it was copied")
            # Where a folder with files is, renaming onto it fails: nothing is overwritten.
            os.rename(draft, target)
    except OSError:
        if os.path.lexists(target):
            return False
        raise
    return True


def _copy(source: Path, target: Path) -> str:
    """SHA-256 of what was copied."""
    sha = hashlib.sha256()
    with opened(source, MOST_FILE) as read, target.open("xb") as written:
        while chunk := read.read(CHUNK):
            sha.update(chunk)
            written.write(chunk)
    files.flush(target)
    return sha.hexdigest()


def _conflict(record: Record, target: Path) -> str:
    """What stands in a record's place, beside it."""
    try:
        ours = _said(Record.read(target))
    except BenchError as error:
        ours = f"no sound record ({error})"
    return printable(f"{record.fingerprint}: here {ours}, there {_said(record)}")[:300]


def _said(record: Record) -> str:
    psnr = record.scores.get("psnr")
    score = f"{psnr:.2f} dB" if psnr is not None else record.status
    return f"{score} of {record.provenance.time or 'an unknown time'}"
