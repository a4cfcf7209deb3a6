"""Ranks: what cannot be told apart shares one, and only comparable runs are compared."""

import numpy as np
import pytest

from bench.leaderboard.ranking import NO_BETTER
from bench.leaderboard.table import board
from bench.recipe import Recipe

IMAGES = np.random.default_rng(0).normal(18, 3, 60)


def _noise(seed: int, scale: float = 0.3) -> np.ndarray:
    values = np.random.default_rng(seed).normal(0, scale, 60)
    return values - values.mean()


def _ranks(results):
    frame = board(results).frame
    return dict(zip(frame.method, frame["rank"], strict=True))


def test_methods_that_cannot_be_told_apart_share_a_rank(make, results):
    """Two models whose paired differences scatter around zero are tied; one 1 dB above is not."""
    make(model="best", psnr=IMAGES + 1)
    make(model="one", psnr=IMAGES + _noise(1))
    make(model="two", psnr=IMAGES + _noise(2) + 0.01)
    assert _ranks(results) == {"best": 1, "two": 2, "one": 2}


def test_a_chain_of_ties_is_one_group(make, results):
    """Where a ~ b and b ~ c but a > c, no rank difference is shown that the test does not support."""
    for name, shift in (("a", 0.24), ("b", 0.12), ("c", 0.0)):
        make(model=name, psnr=IMAGES + _noise(ord(name)) + shift)
    found = board(results).rankings[0]
    assert found.better[0, 2]
    assert not found.better[0, 1] or not found.better[1, 2]
    assert set(_ranks(results).values()) == {1}


def test_no_better_than_the_mean(make, results):
    """A model that scatters around the floor gets the plain verdict, one above it does not."""
    make(model="mean", psnr=IMAGES)
    make(model="idle", psnr=IMAGES + _noise(1) + 0.01)
    make(model="worse", psnr=IMAGES - 1)
    make(model="learnt", psnr=IMAGES + 2)
    frame = board(results).frame.set_index("method")
    assert dict(frame.verdict) == {"mean": "", "idle": NO_BETTER, "worse": NO_BETTER, "learnt": ""}


def test_floor_and_ceiling_are_not_ranked_and_give_the_share(make, results):
    """Ceiling +inf has error 0: a model with a tenth of the floor's error is 90 % of the way."""
    make(model="mean", psnr=np.full(60, 10.0))
    make(model="net", psnr=np.full(60, 30.0))
    make(model="inverse", psnr=np.full(60, np.inf))
    frame = board(results).frame.set_index("method")
    assert dict(frame.share) == pytest.approx({"mean": 0, "net": 0.9, "inverse": 1})
    assert frame["rank"].isna()[["mean", "inverse"]].all()
    assert frame.above_floor["inverse"] == np.inf


def test_a_ceiling_below_the_floor_is_none(make, results):
    """Decryption of a noisy ciphertext ends at -inf: nothing is measured against it."""
    make(model="mean", psnr=IMAGES)
    make(model="net", psnr=IMAGES + 2)
    make(model="inverse", psnr=np.full(60, -np.inf))
    assert board(results).frame.share.isna().all()


def test_other_measurements_are_kept_apart(make, results):
    """Rows whose test measurements differ (sha256) are never ranked against each other."""
    make(model="unet", psnr=IMAGES, test_digest="aaaa")
    make(model="unet:width=9", psnr=IMAGES + 3, test_digest="bbbb")
    rankings = board(results).rankings
    assert [len(r.group.entries) for r in rankings] == [1, 1]
    assert len({r.group.title for r in rankings}) == 2
    assert set(_ranks(results).values()) == {1}


def test_other_metric_definitions_are_kept_apart(make, results):
    """A PSNR of another version of the metrics is another number."""
    make(model="unet", psnr=IMAGES)
    make(model="dncnn", psnr=IMAGES, provenance={"metrics": 2})
    assert len(board(results).rankings) == 2


def test_seeds_are_one_method_with_its_own_uncertainty(make, results):
    """Three seeds share one rank; the seeds' interval is apart from the images'."""
    for seed in range(3):
        make(model="unet", psnr=IMAGES + seed, seed=seed)
        make(model="mean", psnr=IMAGES - 5, seed=seed)
    rankings = board(results).rankings
    assert len(rankings) == 1
    row = board(results).frame.set_index("method").loc["unet"].iloc[0]
    assert row.seeds == 3
    assert row.seed_halfwidth == pytest.approx(4.3027 / np.sqrt(3), rel=1e-4)
    assert row.above_floor == pytest.approx(6)


def test_seeds_that_disagree_are_a_tie(make, results):
    """Better with one seed and worse with the other is no difference between methods."""
    for seed, shift in ((0, 2.0), (1, -1.0)):
        make(model="one", psnr=IMAGES + shift, seed=seed)
        make(model="two", psnr=IMAGES + _noise(seed), seed=seed)
    assert _ranks(results) == {"one": 1, "two": 1}


def test_recipes_of_one_model_are_told_apart_by_what_differs(make, results):
    """The label names the recipe value that differs, and only that."""
    make(model="unet", psnr=IMAGES, recipe=Recipe(epochs=2))
    make(model="unet", psnr=IMAGES + 1, recipe=Recipe(epochs=9))
    assert set(_ranks(results)) == {"unet (epochs=2)", "unet (epochs=9)"}


def test_infinite_scores_are_ranked(make, results):
    """+inf on every image is above any finite score; a NaN reconstruction (-inf) below all."""
    make(model="exact", psnr=np.full(60, np.inf))
    make(model="net", psnr=IMAGES)
    make(model="diverged", psnr=np.full(60, -np.inf))
    assert _ranks(results) == {"exact": 1, "net": 2, "diverged": 3}
