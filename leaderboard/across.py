"""Over problems: average rank, interquartile mean, performance profiles, and who beats whom how often.

Scores of different problems are comparable as what a method gains over the problem's floor. Intervals are
stratified bootstrap intervals: within every problem, trainings of each method and groups of images are
resampled apart; problems are not, they are what the statement is about.

References:
    Agarwal et al.: Deep reinforcement learning at the edge of the statistical precipice. NeurIPS 2021.
    Bouthillier et al.: Accounting for variance in machine learning benchmarks. MLSys 2021.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from bench.leaderboard.estimates import ALPHA, Array
from bench.leaderboard.methods import Method
from bench.leaderboard.ranking import Ranking
from bench.leaderboard.statistics import Design, group_means

#: Resamples of a bootstrap.
RESAMPLES = 1000
#: Groups from which on resampled means are drawn from the normal distribution that they tend to: what it is
#: off by, skewness over 6 sqrt(K), is less than what 1,000 resamples leave open.
MANY_GROUPS = 20_000


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95 % bootstrap interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Overall:
    """Methods that were run on the same problems.

    Attributes:
        methods: their labels, the best average rank first.
        problems: titles of the problems, which all of them were run on.
        unit: of the gains: the metric's.
        rank: average rank of each method over the problems, ties shared.
        gain: interquartile mean, over problems and trainings, of what each gains over the floor.
        beats: probability that a training of the row beats one of the column on as many such images,
            averaged over the problems, ``(methods, methods)``; ties count half.
        profiles: thresholds of the gain ``(T,)``, and the share of problems and trainings in which each
            method gains more ``(methods, T)``.
    """

    methods: tuple[str, ...]
    problems: tuple[str, ...]
    unit: str
    rank: tuple[Interval, ...]
    gain: tuple[Interval, ...]
    beats: Array
    profiles: tuple[Array, Array]


def overall(rankings: Sequence[Ranking]) -> Overall | None:
    """What holds over the largest block of problems and methods; None where there are not two of each."""
    block, labels = _block([r for r in rankings if r.group.floor is not None])
    if len(block) < 2 or len(labels) < 2:
        return None
    methods = [[_by_label(r)[label] for label in labels] for r in block]
    generator = np.random.default_rng(0)
    drawn = [_resampled(r, row, generator) for r, row in zip(block, methods, strict=True)]
    gains = [_gains(r, row) for r, row in zip(block, methods, strict=True)]
    ranks = _average_rank(np.stack([means.mean(2) for means in drawn]))
    plain = _average_rank(np.stack([[g.mean() for g in row] for row in gains])[:, None])[0]
    bands = _interquartile_means(
        [means - r_floor for means, r_floor in zip(drawn, map(_floor, block), strict=True)]
    )
    order = np.argsort(plain, kind="stable")
    exact = [_interquartile_mean(np.concatenate([row[m] for row in gains])) for m in range(len(labels))]
    beats = np.mean([_beats(means) for means in drawn], axis=0)
    profiles = _profiles([np.concatenate([row[m] for row in gains]) for m in order])
    return Overall(
        tuple(labels[m] for m in order),
        tuple(r.group.title for r in block),
        block[0].metric.unit,
        tuple(_interval(plain[m], ranks[:, m]) for m in order),
        tuple(_interval(exact[m], bands[:, m]) for m in order),
        beats[np.ix_(order, order)],
        profiles,
    )


def probability(ranking: Ranking, first: Method, second: Method) -> float:
    """Probability that a training of the first beats one of the second on as many such images.

    Trainings and groups of images are resampled; ties count half (Bouthillier et al. 2021).
    """
    drawn = _resampled(ranking, [first, second], np.random.default_rng(0), trainings=1)
    return float(_beats(drawn)[0, 1])


def _by_label(ranking: Ranking) -> dict[str, Method]:
    """Methods that are no floor and no ceiling and failed on no unit."""
    rows = zip(ranking.group.entries, ranking.standings, strict=True)
    return {e.label: e for e, s in rows if e.role == "model" and s.mean > -np.inf}


def _block(rankings: Sequence[Ranking]) -> tuple[list[Ranking], list[str]]:
    """The problems and methods with all pairs run that make the largest table, two of each at least."""
    sets = [frozenset(_by_label(r)) for r in rankings]
    candidates = {a & b for a in set(sets) for b in set(sets)}

    def chosen(labels: frozenset[str]) -> list[Ranking]:
        return [r for r, there in zip(rankings, sets, strict=True) if labels <= there]

    fitting = [labels for labels in candidates if len(labels) > 1 and len(chosen(labels)) > 1]
    if not fitting:
        return [], []
    best = max(fitting, key=lambda labels: (len(labels) * len(chosen(labels)), len(labels), sorted(labels)))
    return chosen(best), sorted(best)


def _gains(ranking: Ranking, methods: Sequence[Method]) -> list[Array]:
    """Mean of every run of each method, above the floor; positive is better."""
    sign, name = ranking.metric.sign, ranking.metric.name
    return [sign * m.runs(name).mean(1) - _floor(ranking) for m in methods]


def _floor(ranking: Ranking) -> float:
    floor = ranking.group.floor
    return ranking.metric.sign * floor.mean(ranking.metric.name) if floor else 0.0


def _resampled(
    ranking: Ranking, methods: Sequence[Method], generator: np.random.Generator, trainings: int | None = None
) -> Array:
    """Means of resampled trainings on resampled groups, ``(RESAMPLES, methods, trainings)``."""
    metric, design = ranking.metric, methods[0].design
    size = trainings or max(len(m.records) for m in methods)
    drawn = np.empty((RESAMPLES, len(methods), size))
    tables = [metric.sign * group_means(m.runs(metric.name), design) for m in methods]
    means = _means(tables, design, generator)
    for place, rows in enumerate(means):
        picked = generator.integers(0, rows.shape[1], (RESAMPLES, size))
        drawn[:, place] = np.take_along_axis(rows, picked, axis=1)
    return drawn


def _means(tables: Sequence[Array], design: Design, generator: np.random.Generator) -> list[Array]:
    """Mean of every run of each method over the same resampled groups, ``(RESAMPLES, runs)``."""
    count = len(design.weights)
    if count >= MANY_GROUPS:
        return _normal_means(tables, design, generator)
    taken = generator.multinomial(count, np.full(count, 1 / count), RESAMPLES).astype(float)
    weights = taken * design.weights
    weights /= weights.sum(1, keepdims=True)
    return [weights @ table.T for table in tables]


def _normal_means(tables: Sequence[Array], design: Design, generator: np.random.Generator) -> list[Array]:
    """The same for very many groups: normal, with the covariance that resampling groups has.

    To first order a resampled mean is off by ``sum_k (n_k - 1) w_k (y_k - mean)`` with multinomial counts n,
    whose covariance over runs is ``sum_k w_k^2 (y_k - mean) (y_k - mean)^T``.
    """
    means = np.concatenate([table @ design.weights for table in tables])
    covariance = np.zeros((len(means), len(means)))
    for start in range(0, len(design.weights), MANY_GROUPS):
        part = slice(start, start + MANY_GROUPS)
        rows = np.concatenate([table[:, part] for table in tables])
        off = (rows - means[:, None]) * design.weights[part]
        covariance += off @ off.T
    drawn = generator.multivariate_normal(means, covariance, RESAMPLES, method="eigh")
    return np.split(drawn, np.cumsum([len(table) for table in tables])[:-1], axis=1)


def _average_rank(scores: Array) -> Array:
    """Ranks of ``(problems, resamples, methods)`` scores, 1 the largest, averaged over problems."""
    ranks: Array = stats.rankdata(-scores, axis=2).mean(0)
    return ranks


def _interquartile_mean(values: Array) -> float:
    return float(stats.trim_mean(values, 0.25))


def _interquartile_means(gains: Sequence[Array]) -> Array:
    """Interquartile mean of every resample over problems and trainings, ``(RESAMPLES, methods)``."""
    together = np.concatenate(gains, axis=2)
    means: Array = stats.trim_mean(together, 0.25, axis=2)
    return means


def _beats(drawn: Array) -> Array:
    """How often the row's first training is above the column's, ties half, ``(methods, methods)``."""
    first = drawn[:, :, 0]
    above = (first[:, :, None] > first[:, None]).mean(0)
    equal = (first[:, :, None] == first[:, None]).mean(0)
    wins: Array = above + equal / 2
    return wins


def _profiles(gains: Sequence[Array], points: int = 101) -> tuple[Array, Array]:
    together = np.concatenate(gains)
    thresholds = np.linspace(together.min(), together.max(), points)
    return thresholds, np.stack([(g[:, None] > thresholds).mean(0) for g in gains])


def _interval(value: float, resampled: Array) -> Interval:
    low, high = np.quantile(resampled, (ALPHA / 2, 1 - ALPHA / 2))
    return Interval(float(value), float(min(low, value)), float(max(high, value)))
