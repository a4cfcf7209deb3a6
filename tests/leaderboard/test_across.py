"""Over problems: average ranks, gains and who beats whom, by hand."""

import tracemalloc

import numpy as np
import pytest

from bench.leaderboard import across
from bench.leaderboard.across import overall
from bench.leaderboard.statistics import Design, group_means
from bench.leaderboard.table import board

IMAGES = np.random.default_rng(0).normal(18, 3, 60)


def test_ranks_and_gains_by_hand(make, results):
    """Method a is first twice, second once: rank 4/3; gains 3, 2, 1 over the floor: interquartile mean 2."""
    for operator, a, b in (("one", 3, 1), ("two", 2, 0.5), ("three", 1, 4)):
        make(operator, "mean", IMAGES)
        make(operator, "a", IMAGES + a)
        make(operator, "b", IMAGES + b)
    found = overall(board(results).rankings)
    assert found.methods == ("a", "b")
    assert [r.value for r in found.rank] == pytest.approx([4 / 3, 5 / 3])
    assert found.gain[0].value == pytest.approx(2)
    assert found.beats[0, 1] == pytest.approx(2 / 3)
    assert found.profiles[1][0, 0] == 1


def test_one_problem_is_no_summary(make, results):
    """Nothing is averaged over a single problem."""
    make("one", "mean", IMAGES)
    make("one", "a", IMAGES + 1)
    make("one", "b", IMAGES)
    assert overall(board(results).rankings) is None


def test_very_many_groups_are_resampled_as_fewer_are(monkeypatch):
    """Drawn from their limit, resampled means have the mean, spread and correlation that resampling gives.

    Three runs, of which the last two see the same images; groups of unequal size; standard errors by hand.
    """
    rng = np.random.default_rng(1)
    groups = np.repeat(np.arange(2000), rng.integers(1, 6, 2000))
    design = Design.of(groups)
    shared = rng.normal(size=2000)[groups]
    runs = np.stack([rng.normal(size=len(groups)), shared, shared + 0.1 * rng.normal(size=len(groups))])
    tables = [group_means(runs[:1], design), group_means(runs[1:], design)]
    found = {}
    for limit in (10_000, 1_000):
        monkeypatch.setattr(across, "MANY_GROUPS", limit)
        drawn = np.concatenate(across._means(tables, design, np.random.default_rng(0)), axis=1)
        found[limit] = drawn.mean(0), drawn.std(0), np.corrcoef(drawn.T)
    for many, few in zip(found[1_000], found[10_000], strict=True):
        np.testing.assert_allclose(many, few, atol=0.1, rtol=0.1)
    np.testing.assert_allclose(found[1_000][0], runs.mean(1), atol=0.01)
    by_hand = [
        np.sqrt(((design.weights * (table - table @ design.weights)) ** 2).sum())
        for table in np.concatenate(tables)
    ]
    np.testing.assert_allclose(found[1_000][1], by_hand, rtol=0.08)
    assert found[1_000][2][1, 2] > 0.9


def test_a_million_groups_take_little_memory():
    """What is drawn for a million groups takes some arrays of their size, not one for every resample."""
    count = 10**6
    design = Design(np.arange(count), np.full(count, 1 / count), 1.0, count - 1.0)
    tables = [np.random.default_rng(0).normal(size=(1, count))]
    tracemalloc.start()
    across._means(tables, design, np.random.default_rng(0))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20 * tables[0].nbytes
