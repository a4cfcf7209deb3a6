"""Verdicts on pairs of methods: better, worse, or undecided and equal within so much."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from bench.leaderboard.estimates import ALPHA, Array, Estimates
from bench.leaderboard.statistics import Design, Summary, differences, holm, pairs

Outcome = Literal["better", "worse", "undecided", "not tested"]


@dataclass(frozen=True)
class Verdict:
    """How one method compares with another, in the score's unit, oriented so that positive is better.

    Attributes:
        difference: mean of the first minus that of the second; infinite where a mean is.
        half_width: half of its own 95 % interval (not corrected for the number of pairs); NaN where
            there is none.
        seeds_freedom: degrees of freedom of the variance over trainings; NaN where there is none.
        groups_freedom: degrees of freedom of the variance over groups.
        p: two-sided p-value of a difference of at most ``resolution``, not corrected; NaN where a mean is
            infinite.
        corrected: p-value after Holm's correction over the family; NaN outside of it.
        outcome: what is shown of the first: ``better``, ``worse`` or ``undecided`` at the 5 % level over
            all pairs of the family; ``not tested`` outside of it.
        equal_within: smallest margin for which two one-sided tests show the two equal, corrected for the
            family (Bonferroni); NaN where not tested.
        won: share of the scoring units on which the first is better.
        lost: share on which it is worse; the rest are equal.
        trainings: on how many trainings the two rest; 0 for a method without training.
        resolution: a difference that is the computation's, not the methods': no larger one is no verdict.
    """

    difference: float
    half_width: float
    seeds_freedom: float
    groups_freedom: float
    p: float
    corrected: float
    outcome: Outcome
    equal_within: float
    won: float
    lost: float
    trainings: tuple[int, int]
    resolution: float

    @property
    def about_networks(self) -> bool:
        """Whether it is about trained networks, not methods: a trained one has a single training."""
        return 1 in self.trainings

    @property
    def units_disagree(self) -> bool:
        """Whether most scoring units say the opposite of what the mean shows."""
        favoured = {"better": self.won < self.lost, "worse": self.lost < self.won}
        return favoured.get(self.outcome, False)


@dataclass(frozen=True)
class Verdicts:
    """All pairs of a group's methods: square matrices, row against column, positive is better.

    ``verdicts[i, j]`` is one of them; ``better`` whether the row is shown better than the column. Pairs
    outside the family have differences and intervals, and are not tested. ``family`` is the number of
    pairs that p-values and margins are corrected for. See :class:`Verdict`.
    """

    difference: Array
    half_width: Array
    p: Array
    corrected: Array
    equal_within: Array
    won: Array
    better: Array
    seeds_freedom: Array
    groups_freedom: float
    trainings: tuple[int, ...]
    resolution: Array
    family: int

    def __getitem__(self, pair: tuple[int, int]) -> Verdict:
        i, j = pair
        tested = np.isfinite(self.corrected[i, j])
        decided: Outcome = "better" if self.better[i, j] else "worse" if self.better[j, i] else "undecided"
        own = ("difference", "half_width", "p", "corrected", "equal_within", "won", "resolution")
        return Verdict(
            **{name: float(getattr(self, name)[i, j]) for name in own},
            lost=float(self.won[j, i]),
            seeds_freedom=float(self.seeds_freedom[i, j]),
            groups_freedom=self.groups_freedom,
            outcome=decided if tested else "not tested",
            trainings=(self.trainings[i], self.trainings[j]),
        )


def judge(
    summaries: Sequence[Summary | None],
    units: Array,
    design: Design,
    family: Array,
    means: Array,
    resolution: Array | float = 0.0,
) -> Verdicts:
    """Verdicts of all pairs of methods.

    Args:
        summaries: one for each method; None for a row that is not tested.
        units: scores of each method's units, averaged over runs, ``(methods, units)``; larger is better.
        design: how units make up the mean.
        family: pairs that claims are made of, ``(methods, methods)`` bool, symmetric.
        means: the mean of each method as it is shown, infinite ones included, ``(methods,)``.
        resolution: of each pair: a difference that is the computation's alone, ``(methods, methods)``.
    """
    count = len(summaries)
    tested = np.array([s is not None for s in summaries], bool)
    whole = [s for s in summaries if s is not None]
    trainings = tuple(s.trainings if s else 0 for s in summaries)
    places, sides = np.flatnonzero(tested), pairs(len(whole))
    first, second = (places[side] for side in sides)
    claims = family[first, second]
    estimates = differences(whole, design, *sides)
    resolution = np.broadcast_to(np.asarray(resolution, float), (count, count))
    p, corrected, margin, half = _tests(estimates, claims, resolution[first, second])
    better = np.zeros((count, count), bool)
    decided, sign = corrected < ALPHA, estimates.value > 0
    better[first, second], better[second, first] = decided & sign, decided & ~sign
    columns = {
        "half_width": np.where(np.isfinite(half), half, np.nan),
        "p": p,
        "corrected": corrected,
        "equal_within": margin,
        "seeds_freedom": np.where(estimates.seeds > 0, estimates.seeds_freedom, np.nan),
    }
    return Verdicts(
        **{name: _square(count, (first, second), values) for name, values in columns.items()},
        difference=_differences(means),
        won=_won(units),
        better=better,
        groups_freedom=design.freedom,
        trainings=trainings,
        resolution=resolution,
        family=int(claims.sum()),
    )


def _tests(estimates: Estimates, claims: Array, resolution: Array) -> tuple[Array, Array, Array, Array]:
    """p, Holm's p, margin of equivalence and half-width of every pair; NaN for pairs without a claim."""
    p = estimates.p(resolution)
    corrected, margin = np.full((2, len(p)), np.nan)
    corrected[claims] = holm(p[claims])
    # Two one-sided tests at ALPHA, shared by all pairs, are an interval of level 1 - 2 ALPHA / pairs.
    wide = estimates.part(claims).half_width(min(2 * ALPHA / max(int(claims.sum()), 1), 1.0))
    margin[claims] = np.abs(estimates.value[claims]) + wide
    return p, corrected, margin, estimates.half_width()


def _differences(means: Array) -> Array:
    """Row minus column; 0 where both are the same infinity."""
    with np.errstate(invalid="ignore"):
        return np.where(means[:, None] == means, 0.0, means[:, None] - means)


def _won(units: Array) -> Array:
    """Share of units on which the row is larger than the column, ``(methods, methods)``."""
    won: Array = np.zeros((len(units), len(units)))
    for i, row in enumerate(units):
        won[i] = (row > units).mean(1)
    return won


def _square(size: int, pair: tuple[Array, Array], values: Array) -> Array:
    table = np.full((size, size), np.nan)
    table[pair] = table[pair[::-1]] = values
    return table
