r"""Intervals and tests of means over trainings and independent groups.

This is the multi-reader multi-case problem of imaging: trainings are readers, and images in groups
(photographs, patients, volumes) are cases. The same images are scored under every training, so their
variance does not shrink with the number of trainings. With ``y[s, k]`` a method's mean in group k after
training s, weights ``w[k]`` (a group's share of the scoring units, or 1/K where groups count alike) and
``d[k]`` the difference of two methods' means over trainings, the variance of their difference has the parts

    seeds   var_s(sum_k w y_a) / S_a + var_s(sum_k w y_b) / S_b
    groups  max(c sum_k w^2 (d - mean d)^2 - I_a - I_b, 0)

``I`` being what the interaction of trainings and groups adds to the second (it is in the first already).
Each part has its own t quantile (Graybill & Wang 1980): one common number of degrees of freedom would let
many images vouch for few trainings. The half-width is ``sqrt(t_seeds^2 seeds + t_groups^2 groups)``, and p
is the level at which it equals the difference. The two methods' trainings are independent draws, each with
its own variance (Welch 1947); groups of unequal size cost degrees of freedom (Bell & McCaffrey 2002), and
skewed differences widen the interval on both sides by what Johnson (1978) adds on one: t becomes
``t + |g|/6 (2 t^2 + 1)`` with the skewness g of the estimate.

tests/statistics simulates it, 100,000 boards a cell. 95 % intervals cover in 0.936 (one training, 20 groups,
exponential effects, correlation 0.5) to 0.980 of them (the same with three trainings); among 2 and 5 equal
methods some pair is called different in 0.002 to 0.040, among 15 in at most 0.008 (20,000 boards a cell).
Two trainings each whose deviations differ tenfold, with no variance between groups, are the worst known case:
0.062.

References:
    Hillis: A comparison of denominator degrees of freedom methods for MRMC ROC. Stat. Med. 26, 2007.
    Graybill, Wang: Confidence intervals on nonnegative linear combinations of variances. JASA 75, 1980.
    Bell, McCaffrey: Bias reduction in standard errors for multi-stage samples. Survey Meth. 28, 2002.
    Johnson: Modified t tests and confidence intervals for asymmetrical populations. JASA 73, 1978.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from bench.leaderboard.estimates import Array, Estimates

#: Numbers that are worked on at a time.
_CHUNK = 2**22


@dataclass(frozen=True)
class Design:
    """How scoring units make up a mean.

    Attributes:
        groups: number of the group of each unit, ``(units,)``.
        weights: weight of each group in the mean, ``(K,)``, sum 1.
        factor: makes ``factor * sum w^2 (d - mean)^2`` an unbiased variance of the mean for equal variances.
        freedom: degrees of freedom of that variance; K - 1 for groups that weigh alike.
    """

    groups: Array
    weights: Array
    factor: float
    freedom: float

    @classmethod
    def of(cls, labels: Sequence[Any] | Array, by_group: bool = False) -> "Design":
        """The design of units with these group labels.

        ``sum w^2 (d - mean)^2`` is a quadratic form ``d' Q d``, Q = (I - w 1') W^2 (I - 1 w'), of K values of
        one variance s^2. Its expectation is ``s^2 tr Q`` where the mean's variance is ``s^2 sum w^2``: their
        ratio is the factor; ``(tr Q)^2 / tr Q^2`` are the degrees of freedom of the chi square with its first
        two moments (Bell & McCaffrey 2002, Satterthwaite 1946).

        Args:
            labels: one for each unit.
            by_group: whether the mean is one over groups; else it is one over units.
        """
        _, groups = np.unique(np.asarray(labels), return_inverse=True)
        sizes = np.bincount(groups)
        weights = np.full(len(sizes), 1 / len(sizes)) if by_group else sizes / sizes.sum()
        p2, p3, p4, p5 = (float((weights**power).sum()) for power in (2, 3, 4, 5))
        trace = p2 - 2 * p3 + p2**2
        square = p4 - 4 * p5 + 4 * p2 * p4 + 2 * p3**2 - 4 * p2**2 * p3 + p2**4
        if len(sizes) < 2:
            return cls(groups, weights, math.inf, 0.0)
        return cls(groups, weights, p2 / trace, trace**2 / square)

    @cached_property
    def sorted(self) -> tuple[Array, Array, Array]:
        """Size of each group, the units ordered by group, and where each group begins in that order."""
        sizes = np.bincount(self.groups)
        return sizes, np.argsort(self.groups, kind="stable"), np.cumsum(sizes) - sizes


@dataclass(frozen=True)
class Summary:
    """What of a method's scores its interval and its comparisons need.

    Attributes:
        groups: mean of each group over trainings, ``(K,)``.
        mean: the mean.
        seeds: variance of the mean that the trainings have; 0 where there is one, or none is needed.
        trainings: number of trainings that it rests on; 0 for a method without training.
        interaction: the part of ``seeds`` that the variance between groups holds, too.
    """

    groups: Array
    mean: float
    seeds: float
    trainings: int
    interaction: float


@dataclass(frozen=True)
class Summaries:
    """Those of many methods: the same attributes, with one row for each, ``(methods, ...)``."""

    groups: Array
    mean: Array
    seeds: Array
    trainings: Array
    interaction: Array

    @classmethod
    def of(cls, methods: "Sequence[Summary] | Summaries") -> "Summaries":
        """Single ones put together."""
        if isinstance(methods, Summaries):
            return methods
        names = ("mean", "seeds", "trainings", "interaction")
        rest = (np.array([getattr(m, name) for m in methods]) for name in names)
        return cls(np.stack([m.groups for m in methods]) if methods else np.empty((0, 1)), *rest)

    def __getitem__(self, number: int) -> Summary:
        rest = (part[number].item() for part in (self.mean, self.seeds, self.trainings, self.interaction))
        return Summary(self.groups[number], *rest)


def summary(scores: Array, design: Design, trained: bool) -> Summary:
    """Summary of one method.

    Args:
        scores: ``(runs, units)``, finite.
        design: which group each unit belongs to.
        trained: whether the runs are trainings; if not, they are averaged and have no variance.
    """
    return summaries(group_means(scores, design)[None], design, trained)[0]


def summaries_of(tables: Sequence[Array], trained: Sequence[bool], design: Design) -> list[Summary | None]:
    """Summaries of methods that may differ in their number of runs; None where a score is not finite.

    Args:
        tables: mean of each group under each run of every method, ``(runs, K)``.
        trained: of each method, whether its runs are trainings.
        design: which group each unit belongs to.
    """
    alike: dict[tuple[int, bool], list[int]] = defaultdict(list)
    for place, (table, learns) in enumerate(zip(tables, trained, strict=True)):
        if np.isfinite(table).all():
            alike[len(table), learns].append(place)
    found: list[Summary | None] = [None] * len(tables)
    for (_, learns), places in alike.items():
        many = summaries(np.stack([tables[place] for place in places]), design, learns)
        for number, place in enumerate(places):
            found[place] = many[number]
    return found


def summaries(table: Array, design: Design, trained: bool) -> Summaries:
    """Summaries of methods, of the mean of each group under each run, ``(methods, runs, K)``."""
    methods, count, _ = table.shape
    groups, means = table.mean(1), table @ design.weights
    seeds, interaction = np.zeros((2, methods))
    if trained and count > 1:
        rest = table - groups[:, None] - (means - means.mean(1, keepdims=True))[..., None]
        seeds = means.var(1, ddof=1) / count
        if math.isfinite(design.factor):
            square = (design.weights**2 * rest**2).sum((1, 2))
            interaction = design.factor * square / (count - 1) / count
    trainings = np.full(methods, count if trained else 0)
    return Summaries(groups, means.mean(1), seeds, trainings, interaction)


def group_means(scores: Array, design: Design) -> Array:
    """Mean of each group under each run, ``(runs, units)`` to ``(runs, K)``."""
    sizes, order, starts = design.sorted
    with np.errstate(invalid="ignore", over="ignore"):  # infinite scores of both signs, or huge ones
        means: Array = np.add.reduceat(scores[:, order].astype(float), starts, axis=1) / sizes
    return means


def means(methods: Sequence[Summary] | Summaries, design: Design) -> Estimates:
    """Each method's mean."""
    every = Summaries.of(methods)
    groups, skewness = _between(every.groups, design)
    freedom = np.maximum(every.trainings - 1, 1).astype(float)
    groups = np.maximum(groups - every.interaction, 0)
    return Estimates(every.mean, every.seeds, freedom, groups, design.freedom, skewness)


def differences(
    methods: Sequence[Summary] | Summaries, design: Design, first: Array, second: Array
) -> Estimates:
    """Differences of means, first minus second; both are numbers of methods, ``(pairs,)``."""
    every = Summaries.of(methods)
    step = max(1, _CHUNK // every.groups.shape[1])
    groups, skewness = np.empty((2, len(first)))
    for i in range(0, len(first), step):
        part = slice(i, i + step)
        groups[part], skewness[part] = _between(
            every.groups[first[part]] - every.groups[second[part]], design
        )
    return Estimates(
        value=every.mean[first] - every.mean[second],
        seeds=every.seeds[first] + every.seeds[second],
        seeds_freedom=_welch(every.seeds, every.trainings, first, second),
        groups=np.maximum(groups - every.interaction[first] - every.interaction[second], 0),
        groups_freedom=design.freedom,
        skewness=skewness,
    )


def pairs(count: int) -> tuple[Array, Array]:
    """Numbers of the first and the second of every pair of ``count`` methods."""
    first, second = np.triu_indices(count, 1)
    return first, second


def _welch(seeds: Array, trainings: Array, first: Array, second: Array) -> Array:
    """Degrees of freedom of the sum of two methods' variances over trainings (Welch 1947).

    Of his two formulas the first, held between the smaller number of degrees of freedom and the sum of
    both. With three trainings each it covers 0.965 where methods scatter alike. The second, with n + 1 and
    - 2, comes nearer to 0.95 there, but has a family-wise error of 0.064 where one method of two scatters
    ten times as far as the other (0.058 with the first), and 0.085 with two trainings (0.061).
    """
    own = np.maximum(trainings - 1, 1)
    square = seeds**2 / own
    with np.errstate(invalid="ignore", divide="ignore"):
        freedom = (seeds[first] + seeds[second]) ** 2 / (square[first] + square[second])
    alone = np.where(seeds[first] > 0, own[first], own[second])
    both = (seeds[first] > 0) & (seeds[second] > 0)
    least, most = np.minimum(own[first], own[second]), own[first] + own[second]
    held: Array = np.where(both, np.clip(np.nan_to_num(freedom), least, most), alone).astype(float)
    return held


def _between(table: Array, design: Design) -> tuple[Array, Array]:
    """Variance of each row's weighted mean over groups, and its skewness; ``(rows, K)`` to ``(rows,)``."""
    if not design.freedom:
        return np.zeros(len(table)), np.zeros(len(table))
    centre = table @ design.weights
    part = (table - centre[:, None]) * design.weights
    square = (part**2).sum(1)
    square[np.sqrt(square) <= 1e-13 * np.abs(table).max(1)] = 0
    with np.errstate(divide="ignore", invalid="ignore"):
        found = (part**3).sum(1) ** 2 / square**3
    # Without the noise's half, intervals of normal effects cover 0.982; without all of it, those of
    # exponential ones 0.929 (20 groups).
    noise = 6 * float((design.weights**6).sum()) / float((design.weights**2).sum()) ** 3
    skewness = np.sqrt(np.maximum(found - noise / 2, 0))
    return design.factor * square, np.where(square > 0, skewness, 0)


def holm(p: Array) -> Array:
    """p-values corrected for their number by Holm's step-down procedure (1979), along the last axis."""
    order = np.argsort(p, axis=-1)
    steps = np.take_along_axis(p, order, -1) * np.arange(p.shape[-1], 0, -1)
    corrected = np.empty(p.shape)
    np.put_along_axis(corrected, order, np.minimum(np.maximum.accumulate(steps, axis=-1), 1), -1)
    return corrected
