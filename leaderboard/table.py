"""The table of all runs as a DataFrame, and its text forms."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bench.errors import UsageError
from bench.leaderboard import statistics
from bench.leaderboard.groups import Group, group
from bench.leaderboard.loading import Loaded, load, scores
from bench.leaderboard.ranking import Ranking, rank
from bench.runs.record import Record

#: Columns of the table, with what they mean.
COLUMNS = {
    "operator": "forward operator, chains as a+b",
    "dataset": "dataset",
    "rank": "rank among the models of the same operator and dataset; shared where tests find no difference",
    "method": "model, with what tells it apart from its like",
    "role": "model, floor or ceiling",
    "psnr": "mean PSNR over the test images in dB, data range 1",
    "psnr_low": "lower end of its 95 % bootstrap interval over test images",
    "psnr_high": "upper end",
    "ssim": "mean SSIM over the test images",
    "ssim_low": "lower end of its 95 % bootstrap interval",
    "ssim_high": "upper end",
    "above_floor": "PSNR minus that of the floor (mean training image), in dB; over all seeds",
    "share": "way from floor to ceiling in root-mean-square error, 1 is the ceiling; over all seeds",
    "verdict": "'no better than the mean' where the test says so",
    "seeds": "number of seeds the method was run with",
    "seed_halfwidth": "half of the 95 % interval of the mean PSNR over seeds, in dB",
    "images_per_second": "reconstructions per second",
    "batch_size": "images per batch for that speed",
    "latency_ms": "time for one image alone",
    "train_images_per_second": "training images per second",
    "train_seconds": "time of training",
    "total_seconds": "time of the whole run",
    "peak_memory_mb": "most memory held, MiB",
    "parameters": "values learned from the training images",
    "train": "training images",
    "test": "test images",
    "size": "image shape, CxHxW",
    "seed": "seed of the run",
    "device": "device the run was made on",
    "hardware": "its name",
    "status": "ok or failed",
    "error": "why it failed",
    "leakage": "test images with an exact or near duplicate among the training images",
    "commit": "commit of the harness, with + where it had local changes",
    "time": "when, UTC",
    "fingerprint": "name of the run",
    "group": "title of the group within which rows may be compared",
}


@dataclass(frozen=True)
class Board:
    """Everything that table, plots and page are made of.

    Attributes:
        loaded: the records and what was left out.
        rankings: one for each group of comparable methods.
        frame: one row per run, columns :data:`COLUMNS`.
    """

    loaded: Loaded
    rankings: tuple[Ranking, ...]
    frame: pd.DataFrame

    @property
    def records(self) -> tuple[Record, ...]:
        """The records that could be used."""
        return self.loaded.records

    def only(self, operator: str) -> "Board":
        """The part of one operator, named as the table names it.

        Raises:
            UsageError: there are no runs of that operator; the message says of which there are.
        """
        rankings = tuple(r for r in self.rankings if r.group.operator == operator)
        if not rankings:
            there = ", ".join(dict.fromkeys(r.group.operator for r in self.rankings)) or "none"
            raise UsageError(f"no recorded run of operator {operator!r}; operators with runs: {there}")
        return Board(self.loaded, rankings, self.frame[self.frame.operator == operator])


def table(results: str | Path = "results") -> pd.DataFrame:
    """The table of all recorded runs, one row per run, best of each operator and dataset first.

    Args:
        results: folder of the records.

    Returns:
        The columns of :data:`COLUMNS`.

    Raises:
        UsageError: there is no such folder, or it is no results folder.
    """
    return board(results).frame


def board(results: str | Path = "results") -> Board:
    """Read a results folder and rank what is in it.

    Raises:
        UsageError: there is no such folder, or it is no results folder.
    """
    return assemble(load(Path(results)))


def assemble(loaded: Loaded) -> Board:
    """The board of records that are already read."""
    rankings = tuple(rank(g) for g in group(loaded.records))
    return Board(loaded, rankings, _frame(rankings))


def _frame(rankings: Iterable[Ranking]) -> pd.DataFrame:
    rows: list[dict[str, Any]] = []
    for ranking in rankings:
        rows += _rows(ranking)
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    _add_intervals(frame, [row["record"] for row in rows])
    return frame.astype({"rank": "Int64", "train": "Int64", "test": "Int64"})


def _rows(ranking: Ranking) -> list[dict[str, Any]]:
    found = []
    for entry, standing in zip(ranking.group.entries, ranking.standings, strict=True):
        shared = {
            "method": entry.label,
            "rank": standing.rank,
            "above_floor": standing.above_floor,
            "share": standing.share,
            "verdict": standing.verdict,
            "seeds": len(entry.seeds),
            "seed_halfwidth": statistics.seed_halfwidth(entry.seed_means()),
        }
        found += [_row(record, ranking.group) | shared for record in entry.records]
    failed = [_row(r, ranking.group) | {"method": r.spec.model.label} for r in ranking.group.failed]
    return found + failed


def _row(record: Record, group: Group) -> dict[str, Any]:
    data, origin = record.data, record.provenance
    dirty = "+" if origin.dirty else ""
    return {
        **{k: record.timings.get(k, math.nan) for k in COLUMNS if "second" in k or k in _TIMINGS},
        **{k: record.scores.get(k, math.nan) for k in ("psnr", "ssim")},
        "record": record,
        "operator": record.spec.operator_label,
        "dataset": record.spec.dataset.label,
        "role": record.role,
        "parameters": record.parameters,
        "train": data.train,
        "test": data.test,
        "size": "x".join(map(str, data.image_shape)),
        "seed": record.spec.seed,
        "device": record.spec.device,
        "hardware": origin.hardware,
        "status": record.status,
        "error": record.reason,
        "leakage": leaked(record),
        "commit": f"{(origin.commit or '')[:8]}{dirty}",
        "time": origin.time,
        "fingerprint": record.fingerprint,
        "group": group.title,
    }


_TIMINGS = ("batch_size", "latency_ms", "peak_memory_mb")


def leaked(record: Record) -> float:
    """Number of test images with a duplicate among the training images; NaN if it was not looked for."""
    found = record.data.duplicates
    return float(found.exact + found.near) if found else math.nan


def _add_intervals(frame: pd.DataFrame, records: Sequence[Record]) -> None:
    """Bootstrap intervals of every run, those with equally many images together."""
    sizes = [len(scores(r, "psnr")) if r.status == "ok" else 0 for r in records]
    for name in ("psnr", "ssim"):
        low, high = np.full((2, len(records)), np.nan)
        for size in set(sizes) - {0}:
            index = [i for i, s in enumerate(sizes) if s == size]
            rows = np.stack([scores(records[i], name) for i in index])
            low[index], high[index] = statistics.intervals(rows)
        frame[f"{name}_low"], frame[f"{name}_high"] = low, high
