"""Intervals and tests of means over trainings and groups, against SciPy, ANOVA and cases worked by hand."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from bench.leaderboard import statistics
from bench.leaderboard.statistics import Design, differences, means, pairs, summary

BOTH = (np.array([0]), np.array([1]))


def _compared(first, second, labels, trained=(False, False), by_group=False):
    design = Design.of(labels, by_group)
    parts = [summary(np.atleast_2d(x), design, t) for x, t in zip((first, second), trained, strict=True)]
    return differences(parts, design, *BOTH)


def test_a_pair_without_training_is_the_paired_t_test():
    """Each image a group, symmetric differences (no skewness): SciPy's paired t test and its interval."""
    half = np.random.default_rng(0).normal(0, 1, 15)
    difference = np.r_[half, -half] + 0.4
    second = np.random.default_rng(1).normal(20, 3, 30)
    found = _compared(second + difference, second, range(30))
    expected = stats.ttest_rel(second + difference, second)
    interval = expected.confidence_interval()
    assert found.value[0] == pytest.approx(0.4)
    assert found.p()[0] == pytest.approx(expected.pvalue, rel=1e-9)
    assert found.half_width()[0] == pytest.approx((interval.high - interval.low) / 2)


def _of_trainings(first, second):
    return _compared(
        np.repeat(np.array(first)[:, None], 24, 1), np.repeat(np.array(second)[:, None], 24, 1),
        range(24), (True, True),
    )  # fmt: skip


def test_trainings_of_equal_scatter_are_the_two_sample_t_test():
    """Where groups do not vary and both scatter alike, SciPy's t test of the trainings' means."""
    first, second = [20.0, 20.5, 21.0], [19.9, 19.4, 18.9]
    found = _of_trainings(first, second)
    expected = stats.ttest_ind(first, second)
    assert found.seeds_freedom[0] == pytest.approx(4)
    assert found.p()[0] == pytest.approx(expected.pvalue, rel=1e-5)
    interval = expected.confidence_interval()
    assert found.half_width()[0] == pytest.approx((interval.high - interval.low) / 2)


def test_trainings_of_unequal_scatter_have_welchs_degrees_of_freedom():
    """Welch 1947: (1 + 16)^2 / (1 / 3 + 256 / 2) for variances 1 and 16, 4 and 3 trainings."""
    first = np.array([-1.0, 1.0, -1.0, 1.0]) * np.sqrt(3.0)  # variance 4, of the mean 1
    second = np.array([-1.0, 0.0, 1.0]) * np.sqrt(48.0)  # variance 48, of the mean 16
    found = _of_trainings(first, second)
    assert found.seeds[0] == pytest.approx(17)
    assert found.seeds_freedom[0] == pytest.approx(17**2 / (1 / 3 + 16**2 / 2))
    assert _of_trainings(first, [0.0, 0.0, 0.0]).seeds_freedom[0] == 3


def test_variance_parts_are_those_of_the_two_way_analysis_of_variance():
    """Seeds A/(SK) and groups (B - C)/(SK), with mean squares of 4 trainings x 25 groups, by hand."""
    generator = np.random.default_rng(2)
    table = generator.normal(0, 0.5, (4, 1)) + generator.normal(0, 2, 25) + generator.normal(0, 1, (4, 25))
    rows, columns, centre = table.mean(1, keepdims=True), table.mean(0, keepdims=True), table.mean()
    a = 25 * ((rows - centre) ** 2).sum() / 3
    b = 4 * ((columns - centre) ** 2).sum() / 24
    c = ((table - rows - columns + centre) ** 2).sum() / (3 * 24)
    design = Design.of(range(25))
    found = means([summary(table, design, True)], design)
    assert found.seeds[0] == pytest.approx(a / 100)
    assert found.groups[0] == pytest.approx((b - c) / 100)
    assert found.seeds_freedom[0] == 3
    assert found.groups_freedom == pytest.approx(24)


def test_half_width_has_a_quantile_for_each_part():
    """Graybill & Wang: t(0.975, 2) = 4.3027 for seeds, t(0.975, 30) = 2.0423 for groups."""
    one = np.ones(1)
    found = statistics.Estimates(one, 0.2 * one, 2 * one, 0.1 * one, 30.0, 0 * one)
    expected = math.sqrt(4.302653**2 * 0.2 + 2.042272**2 * 0.1)
    assert found.half_width()[0] == pytest.approx(expected, rel=1e-6)


def test_skewness_widens_as_johnson_says():
    """T + g / 6 (2 t^2 + 1) with t(0.975, 19) = 2.0930 and g = 0.3."""
    one = np.ones(1)
    found = statistics.Estimates(one, 0 * one, one, one, 19.0, 0.3 * one)
    assert found.half_width()[0] == pytest.approx(2.093024 + 0.05 * (2 * 2.093024**2 + 1), rel=1e-6)


def test_unequal_groups_cost_degrees_of_freedom():
    """Bell & McCaffrey: moments of the quadratic form, by matrices."""
    labels = np.repeat(["a", "b", "c", "d"], [1, 2, 5, 12])
    found, w = Design.of(labels), np.array([1, 2, 5, 12]) / 20
    residual = np.eye(4) - np.outer(np.ones(4), w)
    form = residual.T @ np.diag(w**2) @ residual
    assert found.freedom == pytest.approx(np.trace(form) ** 2 / np.trace(form @ form))
    assert found.factor == pytest.approx((w**2).sum() / np.trace(form))
    assert found.freedom < 3
    assert Design.of(labels, by_group=True).freedom == pytest.approx(3)


def test_the_mean_is_one_over_units_or_over_groups():
    """Scores 1, 1, 1, 5 in groups of three and one: 2 over units, 3 over groups."""
    scores, labels = np.array([[1.0, 1.0, 1.0, 5.0]]), ["x", "x", "x", "y"]
    over = [Design.of(labels, by_group) for by_group in (False, True)]
    assert [summary(scores, d, False).mean for d in over] == pytest.approx([2, 3])


def test_one_group_shows_nothing():
    """Images of one photograph: no interval, no test, whatever the difference."""
    found = _compared(np.full(50, 30.0), np.full(50, 10.0), ["only"] * 50)
    assert found.p()[0] == 1
    assert found.half_width()[0] == math.inf


def test_images_of_a_group_do_not_count_as_independent():
    """Ten copies of every image in its group change nothing; as images of their own they would."""
    difference = np.random.default_rng(3).normal(0.2, 1, 24)
    single = _compared(difference, 0 * difference, range(24))
    copies = np.repeat(difference, 10)
    grouped = _compared(copies, 0 * copies, np.repeat(range(24), 10))
    assert grouped.p()[0] == pytest.approx(single.p()[0])
    assert _compared(copies, 0 * copies, range(240)).p()[0] < single.p()[0] / 10


def test_equal_scores_have_no_difference_and_constant_ones_a_certain_one():
    """No variance: p is 1 for equal methods and 0 for a constant difference; neither is NaN."""
    scores = np.random.default_rng(4).normal(20, 3, 30)
    assert _compared(scores, scores, range(30)).p()[0] == 1
    found = _compared(scores + 1, scores, range(30))
    assert found.p()[0] == 0
    assert found.half_width()[0] == pytest.approx(0, abs=1e-12)


@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 4),
    st.integers(2, 40),
    st.floats(1e-3, 10),
    st.floats(1e-3, 10),
)
@settings(max_examples=80, deadline=None)
def test_p_is_the_level_at_which_the_half_width_is_the_difference(seed, trainings, groups, shift, spread):
    """For any scores, the interval of level 1 - p just touches zero."""
    generator = np.random.default_rng(seed)
    labels = np.repeat(range(groups), generator.integers(1, 6, groups))
    scores = generator.exponential(1, (2, trainings, len(labels)))
    scores += generator.normal(0, spread, (2, trainings, 1))
    scores[0] += shift
    found = _compared(*scores, labels, (True, True))
    p = found.p()
    assert 0 <= p[0] <= 1
    if 1e-13 < p[0] < 1 - 1e-9:
        assert found.half_width(p)[0] == pytest.approx(abs(found.value[0]), rel=1e-4)
    if p[0] < 0.04:
        assert found.half_width()[0] < abs(found.value[0])


def test_all_pairs_at_once_are_each_pair_alone():
    """Vectorised over pairs, with seeds, groups and a method without training: the same numbers."""
    generator = np.random.default_rng(5)
    labels = np.repeat(range(25), generator.integers(1, 9, 25))
    design = Design.of(labels)
    shapes = ((3, True), (5, True), (1, False), (1, True), (2, True))
    parts = [summary(generator.normal(20, 1, (n, len(labels))), design, t) for n, t in shapes]
    together = differences(parts, design, *statistics.pairs(5))
    for k, (i, j) in enumerate(zip(*statistics.pairs(5), strict=True)):
        alone = differences([parts[i], parts[j]], design, *BOTH)
        assert together.p()[k] == pytest.approx(alone.p()[0], rel=1e-5)
        assert together.half_width()[k] == pytest.approx(alone.half_width()[0])


def test_holm_by_hand():
    """Holm 1979: sorted p times 3, 2, 1, never decreasing, at most 1."""
    np.testing.assert_allclose(statistics.holm(np.array([0.04, 0.01, 0.03])), [0.06, 0.03, 0.06])
    np.testing.assert_allclose(statistics.holm(np.array([0.9, 0.8])), [1, 1])


def test_no_warning_where_methods_differ_far_beyond_their_noise():
    """A search for p that leaves its bracket would ask for quantiles of level 0."""
    generator = np.random.default_rng(0)
    design = Design.of(np.arange(200) % 50)
    images = generator.normal(0, 3, 200)
    methods = [
        summary(15 + shift + images + generator.normal(0, 1, (20, 200)), design, True)
        for shift in (0, 0.001, 0.1, 1, 10, 1e9)
    ]
    with np.errstate(invalid="raise", divide="raise"):
        p = differences(methods, design, *pairs(6)).p()
    assert np.isfinite(p).all()
    assert p[-1] < 1e-12


def test_methods_summed_up_at_once_are_as_each_alone():
    """Of one and three runs, trained or not, in any order; one with a failed unit is not tested."""
    labels = [0, 0, 1, 2, 2, 2]
    design, generator = Design.of(labels), np.random.default_rng(0)
    shapes = [(3, True), (1, True), (3, False), (2, True), (3, True)]
    scores = [generator.normal(20, 1, (runs, len(labels))) for runs, _ in shapes]
    scores[3][1, 2] = -np.inf
    trained = [learns for _, learns in shapes]
    found = statistics.summaries_of([statistics.group_means(s, design) for s in scores], trained, design)
    assert found[3] is None
    for i in (0, 1, 2, 4):
        alone = summary(scores[i], design, trained[i])
        np.testing.assert_allclose(found[i].groups, alone.groups)
        for name in ("mean", "seeds", "trainings", "interaction"):
            assert getattr(found[i], name) == pytest.approx(getattr(alone, name))
