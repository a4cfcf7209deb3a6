"""Ranks are intervals, claims are what tests show, and only comparable runs are compared."""

import numpy as np
import pytest

from bench.errors import UsageError
from bench.leaderboard.page.index import matrix
from bench.leaderboard.ranking import rank
from bench.leaderboard.rows import cells, footnote, remark
from bench.leaderboard.table import board
from bench.recipe import Recipe

IMAGES = np.random.default_rng(0).normal(18, 3, 60)


def _noise(seed: int, scale: float = 0.3) -> np.ndarray:
    values = np.random.default_rng(seed).normal(0, scale, 60)
    return values - values.mean()


def _ranks(results, **asked):
    (ranking,) = board(results, **asked).rankings
    return {
        e.label: s.rank
        for e, s in zip(ranking.group.entries, ranking.standings, strict=True)
        if e.role == "model"
    }


def test_a_rank_is_what_the_tests_leave(make, results):
    """One method 1 dB above two that scatter around each other: 1, and 2 to 3 for both."""
    make(model="best", psnr=IMAGES + 1)
    make(model="one", psnr=IMAGES + _noise(1))
    make(model="two", psnr=IMAGES + _noise(2) + 0.01)
    assert _ranks(results) == {"best": (1, 1), "two": (2, 3), "one": (2, 3)}
    assert board(results).rankings[0].best.label == "best"


def test_ties_are_not_chained(make, results):
    """A ~ b, b ~ c, a > c: b may have any rank, a and c may not."""
    for name, shift in (("a", 0.2), ("b", 0.1), ("c", 0.0)):
        make(model=name, psnr=IMAGES + _noise(ord(name)) + shift)
    better = board(results).rankings[0].verdicts.better
    assert better[0, 2]
    assert not better[0, 1]
    assert not better[1, 2]
    assert _ranks(results) == {"a": (1, 2), "b": (1, 3), "c": (2, 3)}
    assert board(results).rankings[0].best is None


def test_the_number_tested_is_the_number_shown(make, results):
    """Skewed differences of mean zero: most images won, no rank difference, no contradiction."""
    skewed = np.random.default_rng(3).exponential(1, 60)
    make(model="skew", psnr=IMAGES + skewed - skewed.mean())
    make(model="flat", psnr=IMAGES)
    assert set(_ranks(results).values()) == {(1, 2)}


def test_mean_and_images_that_disagree_are_named(make, results):
    """Worse by 0.1 dB on 45 images, better by 3 on 15: the mean says one thing, most images another."""
    difference = np.r_[np.full(45, -0.1), np.full(15, 3.0)] + _noise(1, 0.01)
    make(model="few", psnr=IMAGES + difference)
    make(model="many", psnr=IMAGES)
    (ranking,) = board(results).rankings
    assert ranking.claim.disagreeing == (("few", "many"),)
    assert ranking.verdicts[0, 1].units_disagree
    assert "many wins more images than few" in footnote(ranking)


def test_undecided_methods_are_equal_within_a_margin(make, results):
    """Two one-sided tests: |difference| plus the half-width of the 90 % interval, for a single pair."""
    half = _noise(2)[:30]
    make(model="one", psnr=IMAGES + np.r_[half, -half] + 0.02)
    make(model="two", psnr=IMAGES)
    verdict = board(results).rankings[0].verdicts[0, 1]
    spread = np.r_[half, -half].std(ddof=1) / np.sqrt(60)
    assert verdict.outcome == "undecided"
    assert verdict.equal_within == pytest.approx(0.02 + 1.671093 * spread, rel=1e-5)  # t(0.95, 59)


def test_against_the_floor_only_what_is_shown_is_said(make, results):
    """Above, equal within 0.1 dB, below, and too noisy to tell: only the last says nothing."""
    make(model="mean", psnr=IMAGES)
    make(model="idle", psnr=IMAGES + _noise(1, 0.05) + 0.001)
    make(model="worse", psnr=IMAGES - 1)
    make(model="learnt", psnr=IMAGES + 2 + _noise(2))
    make(model="noisy", psnr=IMAGES + _noise(3, 3.0) + 0.2)
    (ranking,) = board(results).rankings
    rows = zip(ranking.group.entries, ranking.standings, strict=True)
    outcomes = {e.label: s.floor.outcome for e, s in rows if s.floor}
    assert outcomes == {"learnt": "better", "idle": "not better", "worse": "not better", "noisy": "undecided"}


def test_floor_and_ceiling_have_no_rank_and_no_part_in_the_family(make, results):
    """Two models, a floor and a ceiling make one pair; the share needs both ends."""
    make(model="mean", psnr=np.full(60, 10.0))
    make(model="net", psnr=np.full(60, 30.0))
    make(model="other", psnr=np.full(60, 20.0) + _noise(1))
    make(model="inverse", psnr=np.full(60, np.inf))
    (ranking,) = board(results).rankings
    assert ranking.claim.pairs == 1
    assert ranking.verdicts[0, 1].outcome == "not tested"
    frame = board(results).frame.set_index("method")
    assert frame.share[["mean", "net", "inverse"]].to_dict() == pytest.approx(
        {"mean": 0, "net": 0.9, "inverse": 1}
    )
    assert frame["rank"].isna()[["mean", "inverse"]].all()
    assert frame.above_floor["inverse"] == np.inf


def test_a_ceiling_below_the_floor_is_none(make, results):
    """Decryption of a noisy ciphertext ends at -inf: nothing is measured against it."""
    make(model="mean", psnr=IMAGES)
    make(model="net", psnr=IMAGES + 2)
    make(model="inverse", psnr=np.full(60, -np.inf))
    assert board(results).frame.share.isna().all()


@pytest.mark.parametrize(
    "other",
    [
        {"test_digest": "bbbb"},
        {"numbers": 9},
    ],
)
def test_what_is_not_comparable_is_kept_apart(make, results, other):
    """Other test measurements and another version of the numbers are another problem, with another title."""
    make(model="unet", psnr=IMAGES, test_digest="aaaa" if "test_digest" in other else None)
    make(model="unet:width=9", psnr=IMAGES + 3, **other)
    rankings = board(results).rankings
    assert [len(r.group.entries) for r in rankings] == [1, 1]
    assert len({r.group.title for r in rankings}) == 2


def test_one_training_each_is_a_claim_about_networks(make, results):
    """The same difference, trained once and untrained: only the first is about networks."""
    make(model="unet", psnr=IMAGES + 1 + _noise(1), recipe=Recipe())
    make(model="tv", psnr=IMAGES)
    (ranking,) = board(results).rankings
    assert ranking.claim.about_networks
    assert ranking.verdicts[0, 1].about_networks
    assert "these trained networks" in footnote(ranking)
    assert "not for methods" in footnote(ranking)


def test_trainings_that_scatter_decide_nothing_together(make, results):
    """Each training differs from the other method far beyond the images' noise; three together do not."""
    for seed, shift in enumerate((2.0, -1.5, 0.6)):
        make(model="one", psnr=IMAGES + shift + _noise(seed), seed=seed, recipe=Recipe())
        make(model="two", psnr=IMAGES + _noise(seed + 9), seed=seed, recipe=Recipe())
    (ranking,) = board(results).rankings
    assert len(ranking.group.entries) == 2
    assert ranking.verdicts[0, 1].outcome == "undecided"
    assert ranking.claim.trainings == (3, 3)
    assert not ranking.claim.about_networks
    frame = board(results).frame
    assert list(frame.trainings) == [3] * 6
    # t(0.975, 2) = 4.3027 times the deviation of 2, -1.5, 0.6 over sqrt(3), and little more.
    half = (frame.psnr_high - frame.psnr_low).iloc[0] / 2
    assert half == pytest.approx(4.3027 * np.std([2, -1.5, 0.6], ddof=1) / np.sqrt(3), rel=0.1)


def test_unequal_numbers_of_trainings_use_all_of_them(make, results):
    """Five trainings against two: the difference is that of the means that are shown."""
    for seed in range(5):
        make(model="one", psnr=IMAGES + seed / 10 + _noise(seed), seed=seed, recipe=Recipe())
    for seed in (7, 8):
        make(model="two", psnr=IMAGES - 1 + seed / 10 + _noise(seed), seed=seed, recipe=Recipe())
    (ranking,) = board(results).rankings
    verdict = ranking.verdicts[0, 1]
    assert verdict.trainings == (5, 2)
    assert verdict.difference == pytest.approx(0.2 - (-1 + 0.75))
    means = [s.mean for s in ranking.standings]
    assert verdict.difference == pytest.approx(means[0] - means[1])


@pytest.mark.parametrize(("gap", "decided"), [(1e-9, False), (0.009, False), (0.012, True)])
def test_what_threads_alone_change_is_no_verdict(make, results, gap, decided):
    """Constant on every image it is as sure as can be, and up to 0.01 dB still the computation's."""
    hard = np.random.default_rng(0).normal(20, 2, 40)
    for model, shift in (("one", 0), ("other", gap)):
        make(model=model, psnr=hard + shift, recipe=Recipe())
    make(model="mean", psnr=hard - gap)
    ranking = board(results).rankings[0]
    verdict = ranking.verdicts[0, 1]
    assert verdict.difference == pytest.approx(gap, abs=1e-12)
    assert verdict.outcome == ("better" if decided else "undecided")
    assert (verdict.p < 1e-9) == decided
    assert ranking.standings[1].floor.outcome == ("better" if decided else "not better")


def test_resolution_without_a_known_scale_is_relative(make, results):
    """Squared errors of 1e-6 differ by 0.1 % or by 1 %: only the second is a verdict, the first a trifle."""
    hard = np.random.default_rng(0).uniform(1e-6, 3e-6, 40)
    for model, factor in (("one", 1.0), ("other", 1.001), ("third", 1.02), ("mean", 1.0205)):
        make(model=model, nmse=hard * factor)
    ranking = board(results, "nmse").rankings[0]
    assert [e.label for e in ranking.group.entries] == ["one", "other", "third", "mean"]
    assert [s.rank for s in ranking.standings] == [(1, 2), (1, 2), (3, 3), None]
    assert [s.floor.outcome for s in ranking.standings[:3]] == ["better", "better", "not better"]


def test_few_groups_bound_the_claim(make, results):
    """60 images of six photographs: six groups, and the table says that it holds for them only."""
    photographs = [str(i % 6) for i in range(60)]
    make(model="one", psnr=IMAGES + 1, groups=photographs)
    make(model="two", psnr=IMAGES, groups=photographs)
    (ranking,) = board(results).rankings
    assert ranking.claim.groups == 6
    assert ranking.claim.few_groups
    assert "holds for these 6 groups only" in footnote(ranking)


def test_one_reference_makes_fewer_comparisons(make, results):
    """Four methods are six pairs, or three against the one named beforehand."""
    for number, name in enumerate(("unet:width=9", "a", "b", "c")):
        make(model=name, psnr=IMAGES - number / 10 + _noise(number))
    assert board(results).rankings[0].claim.pairs == 6
    (ranking,) = board(results, against="unet").rankings
    assert ranking.claim.pairs == 3
    assert [s.rank for s in ranking.standings] == [None] * 4
    assert ranking.standings[-1].against.outcome == "worse"
    assert ranking.verdicts[1, 2].outcome == "not tested"
    with pytest.raises(UsageError, match="no one method 'nothing'"):
        board(results, against="nothing")


def test_another_metric_ranks_by_its_own_statistics(make, results):
    """--rank-by: order, verdicts and intervals are SSIM's; one that nobody has is an error."""
    make(model="one", psnr=IMAGES + 1)
    make(model="two", psnr=IMAGES)
    (ranking,) = board(results, rank_by="ssim").rankings
    first, second = (e.mean("ssim") for e in ranking.group.entries)
    assert ranking.verdicts[0, 1].difference == pytest.approx(first - second)
    assert ranking.standings[0].rank == (1, 1)
    with pytest.raises(UsageError, match="no run is scored by 'lpips'"):
        board(results, rank_by="lpips")


def test_lower_is_better_where_the_metric_says_so(make, results):
    """nmse: the smaller mean is first, and its verdict is better."""
    error = np.abs(IMAGES) / 100
    make(model="small", psnr=IMAGES, nmse=error)
    make(model="large", psnr=IMAGES, nmse=error + 0.1 + _noise(1) / 100)
    (ranking,) = board(results, rank_by="nmse").rankings
    assert [e.label for e in ranking.group.entries] == ["small", "large"]
    assert ranking.verdicts[0, 1].outcome == "better"
    assert ranking.verdicts[0, 1].difference == pytest.approx(0.1)


def test_digits_tell_values_of_an_unknown_scale_apart(make, results):
    """Errors of millionths are no column of 0.000; PSNR and SSIM keep their digits."""
    for model, factor in (("one", 1.0), ("other", 1.5)):
        make(model=model, nmse=np.linspace(1e-6, 3e-6, 40) * factor)
    ranking = board(results, "nmse").rankings[0]
    assert [ranking.group.scale(name).digits for name in ("psnr", "ssim", "nmse")] == [2, 3, 8]
    assert [row[2] for row in cells(ranking)] == ["2.00e−06", "3.00e−06"]


def test_no_cell_is_darkest_where_none_is_shown_better(make, results):
    """Both may be the best: one shade. A third that both beat is lighter; a best one is darkest."""
    for model, gap in (("one", 0.0), ("other", 0.05), ("mean", 6.0), ("third", 2.0)):
        make(model=model, psnr=20 + IMAGES - gap + _noise(len(model)))
    shades = {m: c.shade for m, c in zip(*_matrix(results), strict=True)}
    assert shades["one"] == shades["other"] > shades["third"] > shades["mean"] == 0
    make(model="winner", psnr=23 + IMAGES + _noise(9))
    shades = {m: c.shade for m, c in zip(*_matrix(results), strict=True)}
    assert shades["winner"] == 100
    assert max(v for k, v in shades.items() if k != "winner") < 100


def test_what_is_not_shown_above_the_floor_has_no_shade(make, results):
    """A method that learned nothing is the highest of its problem, by chance: that is no dark cell."""
    generator = np.random.default_rng(0)
    floor = generator.normal(13, 1, 40)
    make(operator="xor_ctr:iv=fresh", model="mean", psnr=floor)
    make(operator="xor_ctr:iv=fresh", model="null", psnr=floor + generator.normal(0.003, 0.02, 40))
    make(operator="denoising", model="mean", psnr=floor)
    make(operator="denoising", model="null", psnr=floor + 3)
    learned, nothing = [dict(zip(*_matrix(results, row), strict=True)) for row in (0, 1)]
    assert nothing["null"].mean > nothing["mean"].mean
    assert (learned["null"].shade, nothing["null"].shade) == (100, 0)


def _matrix(results, row=0):
    found = matrix(board(results).rankings)
    return found.methods, found.rows[row][1]


def test_recipes_of_one_model_are_told_apart_by_what_differs(make, results):
    """The label names the recipe value that differs, and only that."""
    make(model="unet", psnr=IMAGES, recipe=Recipe(epochs=2))
    make(model="unet", psnr=IMAGES + 1, recipe=Recipe(epochs=9))
    assert set(_ranks(results)) == {"unet (epochs=2)", "unet (epochs=9)"}


def test_exact_and_failed_rows(make, results):
    """Exact counts 100 dB in the test and is shown as +inf; a row that failed on an image is not tested."""
    make(model="exact", psnr=np.full(60, np.inf))
    make(model="net", psnr=IMAGES)
    make(model="diverged", psnr=np.r_[IMAGES[:59], -np.inf])
    (ranking,) = board(results).rankings
    assert _ranks(results) == {"exact": (1, 1), "net": (2, 2), "diverged": None}
    assert ranking.standings[0].mean == np.inf
    assert ranking.verdicts[0, 1].difference == np.inf
    assert ranking.verdicts[1, 2].outcome == "not tested"
    assert remark(ranking.standings[2], ranking.metric) == "failed on 1"
    assert ranking.claim.pairs == 1


def test_a_seed_run_twice_makes_two_methods_of_its_versions(make, results):
    """One duplicate among many seeds: the newest of each seed together, the older one apart."""
    for seed in range(6):
        make(model="unet", psnr=IMAGES + _noise(seed), seed=seed, recipe=Recipe())
    make(
        model="unet",
        psnr=IMAGES,
        seed=3,
        recipe=Recipe(),
        fingerprint="older",
        provenance={"time": "2020-01-01T00:00:00+00:00"},
    )
    (ranking,) = board(results).rankings
    assert sorted(len(e.records) for e in ranking.group.entries) == [1, 6]
    assert next(e for e in ranking.group.entries if len(e.records) == 1).first.fingerprint == "older"


def test_a_group_without_scores_has_no_claims(make, results):
    """Only failed runs: an empty ranking, not an error."""
    make(model="broken", status="failed", error="RuntimeError: no")
    (ranking,) = board(results).rankings
    assert ranking.standings == ()
    assert footnote(rank(ranking.group)) == ""
