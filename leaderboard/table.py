"""The table of all runs as a DataFrame, and its text forms."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from bench.errors import UsageError
from bench.leaderboard.groups import Group, group
from bench.leaderboard.loading import Loaded, load
from bench.leaderboard.methods import estimate
from bench.leaderboard.ranking import Ranking, rank
from bench.leaderboard.rows import computes, place, scope, setting
from bench.leaderboard.scales import scale
from bench.runs.record import Record

#: Columns of the table, with what they mean; every other metric that was recorded has its three, too.
COLUMNS = {
    "operator": "forward operator, chains as a+b",
    "dataset": "dataset",
    "rank": "best and worst rank that tests leave among the models of the same problem: 2–4",
    "rank_best": "one more than the number of models shown better",
    "rank_worst": "number of models less that of those shown worse",
    "method": "model, with what tells it apart from its like",
    "role": "model, floor, ceiling, or transfer: trained on another problem and not ranked",
    "trained_on": "the run that the weights are of, where it was trained on another problem",
    "psnr": "mean PSNR over the scoring units of the run, in dB",
    "psnr_low": "lower end of the 95 % interval of the method's mean over its trainings, groups counted",
    "psnr_high": "upper end",
    "ssim": "mean SSIM of the run",
    "ssim_low": "lower end of the 95 % interval of the method's mean over its trainings, groups counted",
    "ssim_high": "upper end",
    "above_floor": "PSNR minus that of the floor (mean training image), in dB; over all trainings",
    "share": "way from floor to ceiling in root-mean-square error, 1 is the ceiling; over all trainings",
    "best": "whether the method is shown better than all other models of the problem",
    "floor": "better than the floor, not better, or undecided",
    "scope": "what claims about the row's problem hold for",
    "trainings": "number of trainings of the method; 0 without training",
    "epochs": "passes over the training images",
    "fit_seconds": "time of fit",
    "trials": "settings that were tried",
    "uses": "what the method used beside the measurements",
    "exact": "scoring units that were reconstructed exactly",
    "failed": "scoring units without a finite reconstruction",
    "images_per_second": "reconstructions per second; none where nothing is computed",
    "batch_size": "images per batch for that speed",
    "latency_ms": "time for one image alone",
    "setting": "hardware, threads and batch size: speeds are comparable within one",
    "train_images_per_second": "training images per second",
    "train_seconds": "time of training",
    "total_seconds": "time of the whole run",
    "peak_memory_mb": "most memory held, MiB",
    "parameters": "values learned from the training images",
    "train": "training images",
    "test": "scoring units of the test split",
    "groups": "independent groups among them",
    "size": "image shape, CxHxW",
    "seed": "training seed of the run",
    "problem_seed": "seed of key, masks and test noise",
    "protocol": "way of scoring",
    "device": "device the run was made on",
    "hardware": "its name",
    "status": "ok or failed",
    "error": "why it failed",
    "note": "simulated from reconstructions, where the images are such and were measured by the operator",
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
        frame: one row per run, columns :data:`COLUMNS` and those of other metrics.
    """

    loaded: Loaded
    rankings: tuple[Ranking, ...]
    frame: pd.DataFrame

    @property
    def records(self) -> tuple[Record, ...]:
        """The records that could be used."""
        return self.loaded.records


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


def board(results: str | Path = "results", rank_by: str = "psnr", against: str | None = None) -> Board:
    """Read a results folder and rank what is in it.

    Args:
        results: the folder.
        rank_by: metric that methods are ranked by; ``-name`` for one of somebody's own that is better lower.
        against: the method that all others are compared with, in place of all pairs.

    Raises:
        UsageError: there is no such folder, it is no results folder, no run is scored by that metric,
            or there is no such method.
    """
    return assemble(load(Path(results)), rank_by, against)


def assemble(loaded: Loaded, rank_by: str = "psnr", against: str | None = None) -> Board:
    """The board of records that are already read; see :func:`board`."""
    groups = group(loaded.records, rank_by)
    known = {name for g in groups for name in g.metrics}
    if known and scale(rank_by).name not in known:
        raise UsageError(f"no run is scored by {rank_by!r}; there are {', '.join(sorted(known))}")
    scored = [g for g in groups if not g.entries or scale(rank_by).name in g.metrics]
    rankings = tuple(rank(g, rank_by, against) for g in scored)
    if against is not None and rankings and all(r.reference is None for r in rankings):
        there = dict.fromkeys(e.label for r in rankings for e in r.group.of_role("model"))
        raise UsageError(
            f"no one method {against!r} to compare with; there are: {', '.join(there) or 'none'}"
        )
    return Board(loaded, rankings, _frame(rankings))


def _frame(rankings: Iterable[Ranking]) -> pd.DataFrame:
    rows = [row for ranking in rankings for row in _rows(ranking)]
    extra = dict.fromkeys(name for row in rows for name in row if name not in COLUMNS)
    frame = pd.DataFrame(rows, columns=[*COLUMNS, *extra])
    whole = ("rank_best", "rank_worst", "trainings", "exact", "failed", "epochs", "trials", "groups")
    return frame.astype(dict.fromkeys((*whole, "train", "test"), "Int64"))


def _rows(ranking: Ranking) -> list[dict[str, Any]]:
    found = []
    about = scope(ranking)
    for name in ranking.group.metrics:
        estimate(ranking.group.entries, name)
    for entry, standing in zip(ranking.group.entries, ranking.standings, strict=True):
        low, high = standing.rank or (None, None)
        shared = {
            "method": entry.label,
            "rank": place(entry, standing) if standing.rank else None,
            "rank_best": low,
            "rank_worst": high,
            "above_floor": standing.above_floor,
            "share": standing.share,
            "best": standing.best,
            "floor": standing.floor.outcome if standing.floor else None,
            "scope": about,
            "trainings": entry.trainings,
            "groups": ranking.claim.groups,
        }
        for name in ranking.group.metrics:
            shared[f"{name}_low"], shared[f"{name}_high"] = entry.interval(name)
        found += [_row(record, ranking.group) | shared for record in entry.records]
    failed = [_row(r, ranking.group) | {"method": r.spec.method_label} for r in ranking.group.failed]
    return found + failed


def _row(record: Record, group: Group) -> dict[str, Any]:
    data, origin = record.data, record.provenance
    speed = {} if computes(record) else {"images_per_second": math.nan, "latency_ms": math.nan}
    return {
        **{k: record.timings.get(k, math.nan) for k in _TIMINGS},
        **speed,
        **record.scores,
        "operator": group.operator,
        "dataset": group.dataset,
        "role": record.role,
        "trained_on": record.spec.trained_on.run if record.spec.trained_on else None,
        "epochs": record.budget.epochs,
        "fit_seconds": record.budget.seconds,
        "trials": record.budget.trials,
        "uses": ", ".join(record.uses),
        "exact": record.exact,
        "failed": record.failed,
        "parameters": record.parameters,
        "train": data.train,
        "test": data.test,
        "size": "x".join(map(str, data.image_shape)),
        "seed": record.spec.seed,
        "problem_seed": record.spec.problem_seed,
        "protocol": record.spec.protocol,
        "device": record.spec.device,
        "hardware": origin.hardware,
        "setting": setting(record),
        "note": data.note,
        "status": record.status,
        "error": record.reason,
        "leakage": leaked(record),
        "commit": f"{(origin.commit or '')[:8]}{'+' if origin.dirty else ''}",
        "time": origin.time,
        "fingerprint": record.fingerprint,
        "group": group.title,
    }


_TIMINGS = (
    "images_per_second", "batch_size", "latency_ms", "train_images_per_second", "train_seconds",
    "total_seconds", "peak_memory_mb",
)  # fmt: skip


def leaked(record: Record) -> float:
    """Number of test images with a duplicate among the training images; NaN if it was not looked for."""
    found = record.data.duplicates
    return float(found.exact + found.near) if found else math.nan
