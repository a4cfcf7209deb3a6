"""Intervals and tests on per-image scores; infinite scores keep their sign and their rank."""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from scipy import special, stats

Array = np.ndarray[Any, Any]

#: Resamples of a bootstrap, level of its intervals, and level of the tests after correction.
RESAMPLES, CONFIDENCE, ALPHA = 2000, 0.95, 0.05
#: Probability with which the smallest detectable difference would have been detected.
POWER = 0.8


def mean_scores(scores: Array) -> Array:
    """Mean of each row of ``(rows, images)``; ``-inf`` where any value is, ``+inf`` where else any is."""
    worst = (scores == -np.inf).any(1)
    return np.where(worst, -np.inf, np.where(worst[:, None], 0.0, scores).mean(1))


def intervals(scores: Array) -> tuple[Array, Array]:
    """95 % intervals of the mean of each row, by bootstrap over its images (BCa, Efron 1987).

    All rows are resampled alike. A row with infinite values has a percentile interval: a resample
    without the infinite images has a finite mean, one with them an infinite one.

    Args:
        scores: ``(rows, images)`` float64.

    Returns:
        The lower and the upper ends, ``(rows,)`` each.
    """
    low, high = np.empty((2, len(scores)))
    finite = np.isfinite(scores).all(1)
    for part in np.array_split(np.flatnonzero(finite), max(1, math.ceil(finite.sum() / 4096))):
        low[part], high[part] = _bca(scores[part])
    if not finite.all():
        low[~finite], high[~finite] = _percentile_with_infinities(scores[~finite])
    return low, high


def _bca(scores: Array) -> tuple[Array, Array]:
    """Bias-corrected and accelerated intervals; the jackknife of a mean has a closed form."""
    rows, count = scores.shape
    centre = scores.mean(1, keepdims=True)
    deviation = scores - centre
    if count < 2 or not rows:
        return centre[:, 0], centre[:, 0]
    # float32 is enough for deviations from the mean, and twice as fast.
    means = deviation.astype(np.float32) @ (_weights(count) / np.float32(count))
    spread = (deviation**2).sum(1)
    rounding = 1e-6 * np.sqrt(spread / count)[:, None]
    below = (means < -rounding).mean(1) / 2 + (means <= rounding).mean(1) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        acceleration = (deviation**3).sum(1) / (6 * spread**1.5)
        bias = special.ndtri(below)
        shares = [_bca_share(bias, acceleration, z) for z in _normal_ends()]
    means.sort(1)
    ends = [centre[:, 0] + _quantile(means, share) for share in shares]
    constant = spread <= (1e-12 * np.abs(centre[:, 0])) ** 2 * count
    low, high = (np.where(constant, centre[:, 0], end) for end in ends)
    return low, high


def _bca_share(bias: Array, acceleration: Array, z: float) -> Array:
    share: Array = special.ndtr(bias + (bias + z) / (1 - acceleration * (bias + z)))
    return np.nan_to_num(share, nan=0.5)


def _normal_ends() -> tuple[float, float]:
    z = float(special.ndtri((1 + CONFIDENCE) / 2))
    return -z, z


def _quantile(ordered: Array, share: Array) -> Array:
    """Quantiles of ordered rows, one share per row, interpolated linearly."""
    position = share * (ordered.shape[1] - 1)
    left = np.clip(np.floor(position).astype(int), 0, ordered.shape[1] - 2)
    row = np.arange(len(ordered))
    below, above = ordered[row, left].astype(float), ordered[row, left + 1].astype(float)
    end: Array = below + (position - left) * (above - below)
    return end


def _percentile_with_infinities(scores: Array) -> tuple[Array, Array]:
    weights = _weights(scores.shape[1])
    sums = np.where(np.isfinite(scores), scores, 0.0) @ weights / scores.shape[1]
    best = (scores == np.inf).astype(np.float32) @ weights > 0
    worst = (scores == -np.inf).astype(np.float32) @ weights > 0
    means = np.sort(np.where(worst, -np.inf, np.where(best, np.inf, sums)), axis=1)
    ends = [round((1 + sign * CONFIDENCE) / 2 * (RESAMPLES - 1)) for sign in (-1, 1)]
    return means[:, ends[0]], means[:, ends[1]]


@lru_cache(maxsize=4)
def _weights(count: int) -> Array:
    """How often each of ``count`` images is drawn in each resample, ``(count, RESAMPLES)`` float32."""
    generator = np.random.default_rng(0)
    drawn = generator.integers(0, count, (RESAMPLES, count))
    drawn += count * np.arange(RESAMPLES)[:, None]
    drawn_times = np.bincount(drawn.ravel(), minlength=RESAMPLES * count).reshape(RESAMPLES, count)
    return np.ascontiguousarray(drawn_times.T, np.float32)


def seed_halfwidth(means: Array) -> float:
    """Half of the 95 % t interval of the mean over seeds: the seeds' share of the uncertainty.

    NaN for one seed (nothing is known then) and for infinite means.
    """
    if len(means) < 2 or not np.isfinite(means).all():
        return math.nan
    factor = float(special.stdtrit(len(means) - 1, (1 + CONFIDENCE) / 2))
    return factor * float(np.std(means, ddof=1)) / math.sqrt(len(means))


def differences(first: Array, second: Array) -> Array:
    """``first - second``; 0 where both are the same infinity."""
    with np.errstate(invalid="ignore"):
        return np.where(first == second, 0.0, first - second)


def signed_rank(difference: Array) -> tuple[Array, Array]:
    """Wilcoxon's two-sided signed-rank test of each row of paired differences.

    SciPy's test: exact for up to 50 images without ties, otherwise its normal approximation; zeros as
    in Pratt 1959.
    An infinite difference ranks above every finite one.

    Args:
        difference: ``(pairs, images)``.

    Returns:
        The p-values, and the direction: 1 where positive ranks outweigh, -1 where negative ones do.
    """
    finite = np.where(np.isfinite(difference), np.abs(difference), 0).max(1, keepdims=True)
    ranked = np.where(np.isfinite(difference), difference, np.sign(difference) * (finite + 1))
    p, direction = np.ones(len(ranked)), np.zeros(len(ranked), int)
    told = ranked.any(1)
    exact = told & _distinct(ranked)
    if exact.any():
        result = stats.wilcoxon(ranked[exact], zero_method="pratt", axis=1, method="exact")
        p[exact] = np.atleast_1d(result.pvalue)
        ranks = stats.rankdata(np.abs(ranked[exact]), axis=1)
        direction[exact] = np.sign((np.sign(ranked[exact]) * ranks).sum(1))
    if (rows := told & ~exact).any():
        # One-sided, because only then does SciPy's z keep its sign; both tails are twice one.
        options = {"zero_method": "pratt", "method": "approx", "alternative": "greater"}
        z = np.atleast_1d(stats.wilcoxon(ranked[rows], axis=1, **options).zstatistic)
        p[rows], direction[rows] = 2 * special.ndtr(-np.abs(z)), np.sign(z)
    return p, direction


def _distinct(ranked: Array) -> Array:
    """Rows to which the exact distribution applies: at most 50 values, none zero, no two of one size."""
    if ranked.shape[1] > 50:
        return np.zeros(len(ranked), bool)
    sizes = np.sort(np.abs(ranked), axis=1)
    gaps = np.diff(sizes, axis=1, prepend=0.0)
    distinct: Array = np.all(gaps > 0, axis=1)
    return distinct


def holm(p: Array) -> Array:
    """p-values corrected for their number by Holm's step-down procedure (1979)."""
    order = np.argsort(p)
    steps = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    corrected = np.empty(len(p))
    corrected[order] = np.minimum(steps, 1)
    return corrected


@dataclass(frozen=True)
class Comparison:
    """Two methods on the same test images.

    Attributes:
        difference: mean of first minus second, in the score's unit; infinite where the means are.
        low: lower end of its 95 % bootstrap interval.
        high: upper end.
        won: share of images on which the first scores higher.
        lost: share on which it scores lower; the rest are equal.
        p: two-sided p-value of Wilcoxon's signed-rank test, not corrected.
    """

    difference: float
    low: float
    high: float
    won: float
    lost: float
    p: float


def compare(first: Array, second: Array) -> Comparison:
    """Paired comparison of two ``(images,)`` score vectors."""
    difference = differences(first, second)
    low, high = intervals(difference[None])
    return Comparison(
        difference=float(mean_scores(difference[None])[0]),
        low=float(low[0]),
        high=float(high[0]),
        won=float((difference > 0).mean()),
        lost=float((difference < 0).mean()),
        p=float(signed_rank(difference[None])[0][0]),
    )


def smallest_detectable(difference: Array, tests: int) -> float:
    """The smallest mean difference that the test set could have shown, in the score's unit.

    ``(z(1 - alpha / 2 tests) + z(power)) s / sqrt(3 n / pi)``: s is the median over the pairs of the
    deviation of paired differences, n the number of images, 3 / pi the efficiency of the signed-rank
    test against the t test for normal differences. NaN where no pair has finite differences.

    Args:
        difference: ``(pairs, images)``.
        tests: number of tests that the p-values are corrected for.
    """
    finite = difference[np.isfinite(difference).all(1)]
    if not len(finite) or difference.shape[1] < 2:
        return math.nan
    spread = float(np.median(finite.std(1, ddof=1)))
    factor = special.ndtri(1 - ALPHA / 2 / max(tests, 1)) + special.ndtri(POWER)
    return float(factor * spread / math.sqrt(3 / math.pi * difference.shape[1]))
