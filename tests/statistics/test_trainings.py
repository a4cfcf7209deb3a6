"""Real trainings of one network, divided in two: a method is not shown different from itself."""

import os
from itertools import combinations

import numpy as np
import pytest

import bench
from bench.leaderboard import loading
from bench.leaderboard.estimates import ALPHA
from bench.leaderboard.statistics import Design, differences, pairs, summary

pytestmark = pytest.mark.skipif(
    os.environ.get("BENCH_STATISTICS") != "large", reason="twenty trainings; run with tox -e statistics"
)
SEEDS = range(10)
DATASET = "leaves:size=16,train=400,test=100"


def scores(operator, folder):
    """PSNR of a small U-Net under each training seed, ``(10, 100)``."""
    runs = [
        bench.run(
            operator,
            "unet:width=4",
            DATASET,
            seed=seed,
            results=folder,
            device="cpu",
            epochs=2,
            batch_size=32,
        )
        for seed in SEEDS
    ]
    return np.stack([loading.scores(run, "psnr") for run in runs])


@pytest.mark.parametrize("operator", ["denoising", "deblurring"])
def test_a_network_is_not_shown_different_from_itself(tmp_path, record_property, operator):
    """Of all 126 ways to take five trainings against the others, at most 6 in 100 are called different."""
    found = scores(operator, tmp_path)
    assert found.mean(1).std(ddof=1) > 0.01, "these trainings hardly differ: nothing is tested"
    design, different = Design.of(range(found.shape[1])), []
    for rest in combinations(SEEDS[1:], 4):
        one = np.isin(SEEDS, (0, *rest))
        halves = [summary(found[chosen], design, True) for chosen in (one, ~one)]
        different.append(differences(halves, design, *pairs(2)).p()[0] < ALPHA)
    assert len(different) == 126
    record_property(
        "a network shown different from itself", {"operator": operator, "share": np.mean(different).item()}
    )
    record_property(
        "deviation of its trainings in dB", {"operator": operator, "share": found.mean(1).std(ddof=1).item()}
    )
    assert np.mean(different) <= 0.06
