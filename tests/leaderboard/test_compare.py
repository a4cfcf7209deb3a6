"""Comparing two methods, finding runs by name, and showing one."""

import numpy as np
import pytest

from bench.errors import UsageError
from bench.leaderboard import compare, find, show
from bench.leaderboard.table import board
from bench.recipe import Recipe

HARD = np.random.default_rng(0).normal(18, 3, 40)


@pytest.fixture
def whole(make, results):
    """Two methods with known differences: +2 on 30 images, -1 on 10, the largest on image 17."""
    difference = np.full(40, 2.0)
    difference[:10] = -1.0
    difference[17] = 9.0
    make(model="unet", psnr=HARD + difference)
    make(model="dncnn", psnr=HARD)
    make(operator="ct", model="unet", psnr=HARD)
    return board(results)


def _duel(whole, first="unet", second="dncnn"):
    group = find.group(whole, "xor_ctr", None)
    return compare.duel(group, find.entry(group, first), find.entry(group, second))


def test_difference_and_share_won_by_hand(whole):
    """(29 * 2 + 9 - 10) / 40 = 1.425 dB; 30 of 40 images won; the other way round is the negative."""
    found = _duel(whole).found
    assert found.difference == pytest.approx(1.425)
    assert (found.won, found.lost) == (0.75, 0.25)
    assert found.low < 1.425 < found.high
    assert found.p < 0.01
    back = _duel(whole, "dncnn", "unet").found
    assert back.difference == pytest.approx(-1.425)
    assert back.p == found.p


def test_the_images_with_the_largest_difference_come_first(whole):
    """Image 17 differs most."""
    assert _duel(whole).most[0] == 17
    assert "image 17" in compare.text(_duel(whole))


def test_the_picture_falls_back_to_the_stored_samples(whole, tmp_path):
    """Without weights the stored samples are shown: measurement, both methods, truth."""
    path = compare.write_picture(_duel(whole), tmp_path)
    assert path.stat().st_size > 5000
    labels = [a.get_ylabel() for a in compare.picture(_duel(whole)).axes if a.get_ylabel()]
    assert labels == ["measurement", "unet", "dncnn", "truth"]


def test_infinite_differences_are_told(make, results):
    """Exact against not exact: +inf, all images won."""
    make(model="exact", psnr=np.full(40, np.inf))
    make(model="unet", psnr=HARD)
    text = compare.text(_duel(board(results), "exact", "unet"))
    assert "+∞ dB, 95 % interval [+∞, +∞]" in text
    assert "100.0 % by exact" in text


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda w: find.group(w, None, None), "choose one with --operator and --dataset"),
        (lambda w: find.group(w, "mri", None), "no recorded runs of operator mri"),
        (lambda w: find.entry(find.group(w, "ct", None), "dncnn"), "there are: unet"),
        (lambda w: _duel(w, "unet", "unet"), "compared with itself"),
        (lambda w: find.run(w.loaded, ""), "no run is called ''"),
        (lambda w: find.run(w.loaded, "zzz"), "there are:"),
    ],
)
def test_unclear_names_are_answered_with_what_there_is(whole, call, message):
    """Each wrong name is a usage error that lists the right ones."""
    with pytest.raises(UsageError, match=message):
        call(whole)


def test_a_beginning_that_fits_several_runs_lists_them(make, results):
    """A prefix must be unique; a whole name always is."""
    make(fingerprint="abc1")
    make(model="dncnn", fingerprint="abc12")
    loaded = board(results).loaded
    with pytest.raises(UsageError, match="fits 2 runs"):
        find.run(loaded, "abc")
    assert find.run(loaded, "abc1").spec.model.name == "unet"
    assert find.run(loaded, "results/runs/abc12/").spec.model.name == "dncnn"


def test_a_method_that_fits_several_entries_lists_them(make, results):
    """Two recipes of one model: the bare name is not enough, the label is."""
    make(recipe=Recipe(epochs=2))
    make(recipe=Recipe(epochs=9), psnr=22.0)
    group = find.group(board(results), None, None)
    with pytest.raises(UsageError, match="fits 2 methods"):
        find.entry(group, "unet")
    assert find.entry(group, "unet (epochs=9)").mean() == pytest.approx(22)


def test_show_has_scores_command_and_provenance(whole):
    """Everything about one run in one text."""
    record = next(r for r in whole.records if r.spec.model.name == "dncnn")
    text = show.text(whole, record)
    for part in ("18.", "bench run --operator xor_ctr --model dncnn", "packages.torch", "Test CPU", "unet"):
        assert part in text
