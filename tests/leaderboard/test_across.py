"""Over problems: average ranks, gains and who beats whom, by hand."""

import numpy as np
import pytest

from bench.leaderboard.across import overall
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
