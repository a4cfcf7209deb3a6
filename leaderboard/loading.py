"""Reading a results folder for the leaderboard: what cannot be trusted is left out and named."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from bench.errors import BenchError, UsageError
from bench.leaderboard.statistics import Array
from bench.metrics import mean_score
from bench.runs.record import OutdatedError, Record, runs_folder

SCORES = ("psnr", "ssim")


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
        """One line that names what was left out and why; empty if nothing was."""
        parts = []
        if self.outdated:
            parts.append(f"{_records(len(self.outdated))} of an earlier schema: run again")
        if self.skipped:
            parts.append(f"skipped {_records(len(self.skipped))}: {'; '.join(self.skipped)}")
        return "; ".join(parts)


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
    folders = sorted(p for p in folder.iterdir() if p.is_dir() and p.name[0] != ".")
    records, skipped, outdated = [], [], []
    for folder in folders:
        try:
            records.append(read_checked(folder))
        except OutdatedError:
            outdated.append(folder.name)
        except BenchError as error:
            where = f"{folder / 'record.json'}: "
            skipped.append(f"{folder.name} ({str(error).removeprefix(where)})")
    return Loaded(tuple(records), tuple(skipped), _certificates(results / "operators"), tuple(outdated))


def _records(count: int) -> str:
    return f"{count} record{'s' * (count > 1)}"


def _certificates(folder: Path) -> dict[str, Certificate]:
    """Certificates by operator; what cannot be read is no certificate."""
    found = {}
    for path in sorted(folder.glob("*/certificate.json")):
        try:
            facts = dict(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            continue
        picture = path.with_name("picture.png")
        found[str(facts.pop("operator", ""))] = Certificate(facts, picture if picture.is_file() else None)
    return found


def read_checked(folder: Path) -> Record:
    """Read one record and hold its parts against each other.

    Raises:
        BenchError: a part is missing, unreadable, of the wrong type, or contradicts another part.
    """
    record = Record.read(folder)
    if record.fingerprint != folder.name:
        raise BenchError(f"holds run {record.fingerprint}: a copy under another name")
    if record.status == "ok":
        record.__dict__[_CACHE] = _columns(record, folder / "scores.parquet")
    return record


#: Where a record keeps the columns that were read; the table of pandas costs far more.
_CACHE, _GROUPS = "_scores_by_name", "_groups"


def scores(record: Record, name: str) -> Array:
    """One score of every scoring unit of a run, ``(units,)``."""
    if _CACHE not in record.__dict__:
        record.__dict__[_CACHE] = {n: record.per_unit[n].to_numpy(float) for n in record.scores}
    column: Array = record.__dict__[_CACHE][name]
    return column


def groups(record: Record) -> npt.NDArray[Any]:
    """Which photograph, patient or volume each scoring unit comes from, ``(units,)`` texts."""
    if _GROUPS not in record.__dict__:
        record.__dict__[_GROUPS] = record.per_unit["group"].to_numpy()
    found: npt.NDArray[Any] = record.__dict__[_GROUPS]
    return found


def history(record: Record) -> pd.DataFrame:
    """A run's training history; empty if it was not trained or the file cannot be read."""
    if "history" not in record.__dict__:
        record.__dict__["history"] = _history(record.folder / "history.parquet" if record.folder else None)
    found: pd.DataFrame = record.__dict__["history"]
    return found


def _history(path: Path | None) -> pd.DataFrame:
    if path is None or not path.is_file():
        return pd.DataFrame()
    try:
        table = _table(path)
        found = pd.DataFrame({name: table.column(name).to_numpy() for name in table.column_names})
    except (pa.ArrowException, OSError, ValueError):
        return pd.DataFrame()
    return found if {"epoch", "validation_psnr"} <= set(found) else pd.DataFrame()


def _columns(record: Record, path: Path) -> dict[str, Array]:
    if missing := [name for name in SCORES if name not in record.scores]:
        raise BenchError(f"record.json has no {' and no '.join(missing)}")
    if not path.is_file():
        raise BenchError("scores.parquet is missing")
    try:
        table = _table(path, [*record.scores, "group"])
        columns = {name: table.column(name).to_numpy().astype(float, copy=False) for name in record.scores}
        record.__dict__[_GROUPS] = table.column("group").to_numpy()
    except (pa.ArrowException, OSError, KeyError, ValueError) as error:
        raise BenchError(f"scores.parquet cannot be read ({error})") from error
    _check_scores(record, columns)
    return columns


def _table(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """A small Parquet file, read whole: threads and file systems cost more than they bring."""
    with pq.ParquetFile(pa.BufferReader(path.read_bytes())) as file:
        return file.read(columns=columns, use_threads=False)


def _check_scores(record: Record, columns: dict[str, Array]) -> None:
    """Scores must be as many as the record says, and have the mean it says."""
    count, expected = len(columns["psnr"]), record.data.test
    if count != expected or not count:
        raise BenchError(f"scores.parquet has {count} rows, record.json says {expected} scoring units")
    for name, values in columns.items():
        if np.isnan(values).any():
            raise BenchError(f"scores.parquet has a {name} that is not a number")
        mean, said = mean_score(values, "dB" if name == "psnr" else ""), record.scores[name]
        if mean != said and not math.isclose(mean, said, rel_tol=1e-6, abs_tol=1e-6):
            raise BenchError(f"record.json says {name} {said:.4f}, its units' mean is {mean:.4f}: edited?")
