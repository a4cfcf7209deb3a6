"""Intervals and tests against SciPy, and against cases worked by hand; infinities never become NaN."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from bench.leaderboard import statistics


@pytest.mark.parametrize("shape", ["normal", "skewed", "two values"])
def test_intervals_are_scipys(shape):
    """BCa intervals equal scipy.stats.bootstrap's on the same resamples."""
    generator = np.random.default_rng(3)
    draw = {
        "normal": lambda: generator.normal(20, 3, 150),
        "skewed": lambda: generator.exponential(4, 150) + 10,
        "two values": lambda: generator.choice([5.0, 30.0], 150),
    }[shape]
    scores = np.stack([draw() for _ in range(3)])
    low, high = statistics.intervals(scores)
    for row, a, b in zip(scores, low, high, strict=True):
        expected = stats.bootstrap(
            (row,), np.mean, n_resamples=statistics.RESAMPLES, rng=np.random.default_rng(0), method="BCa"
        ).confidence_interval
        assert (a, b) == pytest.approx((expected.low, expected.high), abs=2e-5)


def test_constant_scores_have_a_point_interval():
    """A model with the same score everywhere has no uncertainty over images, and no NaN."""
    low, high = statistics.intervals(np.full((1, 20), 12.5))
    assert (low[0], high[0]) == (12.5, 12.5)


def test_infinite_scores_keep_their_sign_in_intervals():
    """All +inf stays +inf; a few +inf images leave the lower end finite only if a resample misses them."""
    half = np.r_[np.full(5, np.inf), np.full(5, 20.0)]
    low, high = statistics.intervals(np.stack([np.full(10, np.inf), np.full(10, -np.inf), half, -half]))
    assert list(low[:2]) == [math.inf, -math.inf]
    assert list(high) == [math.inf, -math.inf, math.inf, -math.inf]
    one = np.r_[np.inf, np.full(9, 20.0)]
    low, high = statistics.intervals(one[None])
    # A resample misses one image of ten with probability 0.9^10 = 0.35 > 0.025.
    assert (low[0], high[0]) == (20.0, math.inf)


@given(arrays(float, (2, 9), elements=st.floats(-50, 50) | st.sampled_from([np.inf, -np.inf])))
@settings(max_examples=60, deadline=None)
def test_no_score_gives_nan(scores):
    """Whatever the scores are, means, intervals and tests are numbers."""
    low, high = statistics.intervals(scores)
    assert not np.isnan([*statistics.mean_scores(scores), *low, *high]).any()
    found = statistics.compare(*scores)
    assert not math.isnan(found.p)
    assert not math.isnan(found.difference)
    assert found.won + found.lost <= 1


@pytest.mark.parametrize(
    ("count", "digits", "method"), [(12, 9, "exact"), (40, 1, "approx"), (80, 1, "approx"), (80, 9, "approx")]
)
def test_signed_rank_is_scipys(count, digits, method):
    """p-values are scipy.stats.wilcoxon's, exact and approximate, ties and zeros included."""
    difference = np.random.default_rng(1).normal(0.3, 1, (4, count)).round(digits)
    p, _ = statistics.signed_rank(difference)
    expected = [stats.wilcoxon(row, zero_method="pratt", method=method).pvalue for row in difference]
    np.testing.assert_allclose(p, expected, rtol=1e-12)


def test_infinite_differences_rank_above_finite_ones():
    """Eight images, one lost by inf: rank 8 of 36 is negative; exact p = 2 P(W <= 8) = 2 * 25 / 256."""
    difference = np.r_[np.arange(1.0, 8.0), -np.inf]
    p, direction = statistics.signed_rank(difference[None])
    # Subsets of {1..8} with sum at most 8: 1+1+1+2+2+3+4+5+6 = 25.
    assert p[0] == pytest.approx(2 * 25 / 256)
    assert direction[0] == 1


def test_equal_scores_are_no_difference():
    """Infinity against infinity is a tie, not NaN."""
    both = np.full(10, np.inf)
    assert statistics.signed_rank(statistics.differences(both, both)[None])[0][0] == 1


def test_holm_by_hand():
    """Holm 1979: sorted p times 3, 2, 1, never decreasing, at most 1."""
    np.testing.assert_allclose(statistics.holm(np.array([0.04, 0.01, 0.03])), [0.06, 0.03, 0.06])
    np.testing.assert_allclose(statistics.holm(np.array([0.9, 0.8])), [1, 1])


def test_smallest_detectable_difference_is_detected_four_times_in_five():
    """A true difference of that size is found by the test in 80 % of simulated test sets."""
    generator = np.random.default_rng(0)
    spread, images = 1.5, 200
    sample = generator.normal(0, spread, (50, images))
    size = statistics.smallest_detectable(sample, tests=1)
    p, _ = statistics.signed_rank(generator.normal(size, spread, (2000, images)))
    assert (p < 0.05).mean() == pytest.approx(0.8, abs=0.04)


def test_seed_halfwidth_is_the_t_interval():
    """Three seeds: t(0.975, 2) = 4.3027 times sd / sqrt(3); one seed says nothing."""
    assert statistics.seed_halfwidth(np.array([19.0, 20.0, 21.0])) == pytest.approx(
        4.3027 / math.sqrt(3), 1e-4
    )
    assert math.isnan(statistics.seed_halfwidth(np.array([20.0])))
