"""One method of a table: the runs of one model with one recipe, and what its trainings say together."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from bench.errors import BenchError
from bench.leaderboard.estimates import Array
from bench.leaderboard.scales import Scale, scale
from bench.leaderboard.statistics import Design, Summary, group_means, means, summaries_of
from bench.metrics import counted, mean_score, mean_scores
from bench.runs.reading import columns
from bench.runs.record import Record

#: Columns of a history that are read.
HISTORY = ("epoch", "loss", "validation_psnr", "lr", "seconds", "images")


@dataclass(frozen=True)
class Method:
    """One method: the runs of one model with one recipe, one per training seed.

    Attributes:
        label: what it is called in its group: the model, and the recipe where that tells it apart.
        records: its runs, ordered by seed.
        shared: how its group's scoring units make up a mean; None: found from its own records.
    """

    label: str
    records: tuple[Record, ...]
    shared: Design | None = None

    @property
    def first(self) -> Record:
        """The run of the smallest seed."""
        return self.records[0]

    @property
    def role(self) -> str:
        """``floor``, ``ceiling``, ``model``, or ``transfer``: trained on another problem."""
        return self.first.role

    @cached_property
    def seeds(self) -> tuple[int, ...]:
        """The training seeds it was run with."""
        return tuple(record.spec.seed for record in self.records)

    @cached_property
    def trained(self) -> bool:
        """Whether its scores depend on the training seed: it has a recipe, or its runs differ."""
        if self.first.spec.recipe is not None:
            return True
        return any(len({r.scores.get(name) for r in self.records}) > 1 for name in self.first.scores)

    @property
    def trainings(self) -> int:
        """How many trainings its scores rest on; 0 for a method without training."""
        return len(self.records) if self.trained else 0

    @cached_property
    def history(self) -> pd.DataFrame:
        """What the first run's training was like, a row per epoch (:class:`bench.training.Epoch`); empty if
        it was not trained or the file cannot be read.
        """
        folder = self.first.folder
        if folder is None or not (folder / "history.parquet").exists():
            return pd.DataFrame()
        with suppress(BenchError):
            found = pd.DataFrame(columns(folder / "history.parquet", HISTORY))
            return found[found["epoch"].between(1, 1e9)].reset_index(drop=True)
        return pd.DataFrame()

    def scale(self, name: str) -> Scale:
        """Unit and direction of a metric."""
        return scale(name, self.first)

    def runs(self, name: str = "psnr") -> Array:
        """Scores of every run as they count in a mean, ``(runs, units)``."""
        rows = np.stack([record.units.scores[name] for record in self.records])
        counts: Array = counted(rows, self.scale(name).unit)
        return counts

    def score(self, name: str = "psnr") -> Array:
        """Scores of every unit, averaged over runs: ``(units,)``; exact where all runs are."""
        rows = np.stack([record.units.scores[name] for record in self.records])
        if len(rows) == 1:
            single: Array = rows[0]
            return single
        averaged: Array = mean_scores(rows.T, self.scale(name).unit)
        return averaged

    def mean(self, name: str = "psnr") -> float:
        """Mean over units and runs: -inf where a run failed on a unit, +inf where all are exact."""
        if name not in self._means:
            values = [record.scores[name] for record in self.records]
            self._means[name] = mean_score(values, self.scale(name).unit)
        return self._means[name]

    @cached_property
    def _means(self) -> dict[str, float]:
        return {}

    @cached_property
    def design(self) -> Design:
        """Which group each scoring unit belongs to, and what it weighs."""
        return self.shared or Design.of(self.first.units.groups)

    def summary(self, name: str) -> Summary | None:
        """What its tests need, larger is better; None where a unit has no finite score."""
        return self._estimate(name)[0]

    def _estimate(self, name: str) -> tuple[Summary | None, float]:
        if name not in self._estimates:
            estimate([self], name)
        return self._estimates[name]

    @cached_property
    def _estimates(self) -> dict[str, tuple[Summary | None, float]]:
        return {}

    def interval(self, name: str = "psnr") -> tuple[float, float]:
        """95 % interval of the mean, trainings and groups counted; the mean itself where it is infinite."""
        mean, half = self.mean(name), self.half_width(name)
        return (mean, mean) if not np.isfinite(mean) else (mean - half, mean + half)

    def half_width(self, name: str = "psnr") -> float:
        """Half of that interval; NaN where there is none: an infinite mean, or a single group."""
        half = self._estimate(name)[1]
        return half if np.isfinite(half) and np.isfinite(self.mean(name)) else np.nan

    def count(self, value: float, name: str = "psnr") -> int:
        """Largest number of units of a run with this score: ``inf`` counts exact, ``-inf`` failed ones."""
        return max(int(np.count_nonzero(r.units.scores[name] == value)) for r in self.records)


def estimate(methods: Sequence[Method], name: str) -> None:
    """Work out the summaries and half-widths of a group's methods at once: one alone takes as long as all."""
    new = [m for m in methods if name not in m._estimates]
    if not new:
        return
    design = new[0].design
    tables = [m.scale(name).sign * group_means(m.runs(name), design) for m in new]
    found = summaries_of(tables, [m.trained for m in new], design)
    whole = [s for s in found if s is not None]
    halves = iter(means(whole, design).half_width() if whole else ())
    for method, own in zip(new, found, strict=True):
        method._estimates[name] = own, np.nan if own is None else float(next(halves))
