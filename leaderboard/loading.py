"""Reading a results folder for the leaderboard: what cannot be trusted is left out and named."""

import math
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bench.errors import BenchError, UsageError
from bench.leaderboard.scales import scale
from bench.metrics import mean_score
from bench.runs.reading import MOST_JSON, json_of, opened
from bench.runs.record import OutdatedError, Record, runs_folder
from bench.text import printable

#: Metrics that every record has.
SCORES = ("psnr", "ssim")
#: Folders that a summary names, and characters of a line on one of them.
NAMED, LONGEST_LINE = 5, 300


@dataclass(frozen=True)
class Certificate:
    """What `bench describe` stored of an operator.

    Attributes:
        facts: names and values.
        picture: image, measurement and inverse as a PNG; None if there is none.
    """

    facts: dict[str, Any]
    picture: Path | None


@dataclass(frozen=True)
class Loaded:
    """The records of a results folder.

    Attributes:
        records: those that can be used, ordered by fingerprint.
        skipped: one line for each folder that was left out: its name and the reason.
        outdated: names of the folders whose records are of an earlier schema.
        certificates: what `bench describe` measured, by operator.
    """

    records: tuple[Record, ...]
    skipped: tuple[str, ...]
    certificates: Mapping[str, Certificate] = field(default_factory=dict)
    outdated: tuple[str, ...] = ()

    def summary(self) -> str:
        """One line that names what was left out and why, however much it is; empty if nothing was."""
        parts = []
        if self.outdated:
            parts.append(f"{_records(len(self.outdated))} of an earlier schema: run again")
        if self.skipped:
            more = len(self.skipped) - NAMED
            named = [*self.skipped[:NAMED], *([f"and {more:,} more"] if more > 0 else [])]
            parts.append(f"skipped {_records(len(self.skipped))}: {'; '.join(named)}")
        return "; ".join(parts)


def _records(count: int) -> str:
    return f"{count:,} record{'s' * (count > 1)}"


def load(results: Path) -> Loaded:
    """Read all records of a results folder.

    Raises:
        UsageError: there is no such folder, or it holds no ``runs`` folder.
    """
    folder = runs_folder(results)
    if not results.is_dir():
        raise UsageError(f"there is no folder {results}; `bench run` makes one, --results names another")
    if not folder.is_dir():
        raise UsageError(f"{results} is no results folder: it has no folder called runs")
    with os.scandir(folder) as found:
        names = sorted(e.name for e in found if e.is_dir() and e.name[0] != ".")
    records, skipped, outdated = [], [], []
    for name in names:
        try:
            records.append(read_checked(folder / name))
        except OutdatedError:
            outdated.append(printable(name))
        except BenchError as error:
            skipped.append(printable(f"{name} ({error})")[:LONGEST_LINE])
    return Loaded(tuple(records), tuple(skipped), _certificates(results / "operators"), tuple(outdated))


def _certificates(folder: Path) -> dict[str, Certificate]:
    """Certificates by operator; what cannot be read is no certificate."""
    found = {}
    for path in sorted(folder.glob("*/certificate.json")):
        with suppress(BenchError):
            if path.parent.is_symlink() or not isinstance(facts := json_of(path), dict):
                continue
            picture = path.with_name("picture.png")
            found[str(facts.pop("operator", ""))] = Certificate(facts, picture if _is_png(picture) else None)
    return found


def _is_png(path: Path) -> bool:
    """Whether a path is a file of its own, no link, that begins as a PNG of some megabytes at most does."""
    try:
        with opened(path, MOST_JSON * 16) as file:
            return file.read(8) == b"\x89PNG\r\n\x1a\n"
    except (BenchError, OSError):
        return False


def read_checked(folder: Path) -> Record:
    """Read one record and hold its parts against each other.

    Raises:
        BenchError: a part is missing, unreadable, of the wrong type, or contradicts another part.
    """
    if folder.is_symlink():
        raise BenchError("is a link, which is not followed")
    record = Record.read(folder)
    if record.fingerprint != folder.name:
        raise BenchError(f"holds run {record.fingerprint}: a copy under another name")
    if record.status == "ok":
        _check_scores(record)
    return record


def _check_scores(record: Record) -> None:
    """Scores must be as many as the record says, and have the mean it says."""
    if missing := [name for name in SCORES if name not in record.scores]:
        raise BenchError(f"record.json has no {' and no '.join(missing)}")
    columns = record.units.scores
    count, images, volumes = len(columns["psnr"]), record.data.test, record.data.groups
    if count not in (images, volumes) or not count:
        known = f"{images} images of {volumes} groups"
        raise BenchError(f"scores.parquet has {count} rows, record.json says {known}")
    for name, values in columns.items():
        mean, said = mean_score(values, scale(name, record).unit), record.scores[name]
        if math.isnan(mean) or (math.isinf(mean) and np.isnan(values).any()):
            raise BenchError(f"scores.parquet has a {name} that is not a number")
        if mean != said and not math.isclose(mean, said, rel_tol=1e-6, abs_tol=1e-6):
            raise BenchError(f"record.json says {name} {said:.4f}, its units' mean is {mean:.4f}: edited?")
