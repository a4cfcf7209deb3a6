"""Comparing two methods, finding runs by name, and showing one."""

import re

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
    ranking = find.ranking(whole, "xor_ctr", None)
    return compare.duel(ranking, *(find.method(ranking.group, name) for name in (first, second)))


def test_difference_and_share_won_by_hand(whole):
    """(29 * 2 + 9 - 10) / 40 = 1.425 dB; 30 of 40 images won; the other way round is the negative."""
    found = _duel(whole).verdict
    assert found.difference == pytest.approx(1.425)
    assert (found.won, found.lost) == (0.75, 0.25)
    assert 0 < found.half_width < 1.425
    assert found.outcome == "better"
    back = _duel(whole, "dncnn", "unet").verdict
    assert back.difference == pytest.approx(-1.425)
    assert (back.p, back.outcome) == (found.p, "worse")


def test_the_board_says_the_same(whole):
    """One procedure: the verdict of the comparison is the board's, to the last bit."""
    ranking = find.ranking(whole, "xor_ctr", None)
    assert str(_duel(whole).verdict) == str(ranking.verdicts[0, 1])
    text = compare.text(_duel(whole))
    assert "verdict          unet is better" in text
    assert "corrected for 1 pair (Holm)" in text


def test_an_undecided_pair_says_within_what_it_is_equal(make, results):
    """Not 'no difference', but a margin; and about how often one training beats the other."""
    for name, shift in (("one", 0.0), ("two", 0.05)):
        noise = np.random.default_rng(sum(name.encode())).normal(0, 1, 40)
        make(model=name, psnr=HARD + noise - noise.mean() + shift)
    duel = _duel(board(results), "two", "one")
    assert "undecided: equal within 0." in compare.text(duel)
    assert 0.5 < duel.probability < 0.9


def test_the_picture_shows_the_images_that_the_text_names(whole, tmp_path, monkeypatch):
    """One list: the stored images, the largest difference, that of image 17, first."""
    duel = _duel(whole)
    named = re.findall(r"test image (\d+) +unet ([\d.]+ dB) +dncnn ([\d.]+ dB)", compare.text(duel))
    drawn = []
    with monkeypatch.context() as patch:
        patch.setattr(compare, "sheet", lambda *parts: drawn.append(parts))
        compare.picture(duel)
    rows, captions, _ = drawn[0]
    assert [f"test image {i}" for i, *_ in named] == captions["truth"]
    assert [one for _, one, _ in named] == captions["unet"]
    assert sorted(int(i) for i, *_ in named) == [3, 7, 12, 17, 21, 26, 31, 38]
    assert int(named[0][0]) == 17
    shown = [name.partition(": error")[0] for name in rows]
    assert shown == ["measurement", "unet", "unet", "dncnn", "dncnn", "truth"]
    scales = {name.partition(": error")[2] for name in rows if ": error" in name}
    assert len(scales) == 1  # one scale
    assert compare.write_picture(duel, tmp_path).stat().st_size > 5000


def test_infinite_differences_are_told(make, results):
    """Exact against not exact: +inf, all images won, and better."""
    make(model="exact", psnr=np.full(40, np.inf))
    make(model="unet", psnr=HARD)
    text = compare.text(_duel(board(results), "exact", "unet"))
    assert "difference       +∞ dB" in text
    assert "exact is better" in text
    assert "100.0 % by exact" in text


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda w: find.ranking(w, None, None), "choose one with --operator and --dataset"),
        (lambda w: find.ranking(w, "mri", None), "no recorded runs of operator mri"),
        (lambda w: find.method(find.ranking(w, "ct", None).group, "dncnn"), "there are: unet"),
        (lambda w: _duel(w, "unet", "unet"), "compared with itself"),
        (lambda w: find.run(w.loaded, ""), "no run is called ''"),
        (lambda w: find.run(w.loaded, "zzz"), "there are:"),
    ],
)
def test_unclear_names_are_answered_with_what_there_is(whole, call, message):
    """Each wrong name is a usage error that lists the right ones."""
    with pytest.raises(UsageError, match=message):
        call(whole)


def test_the_only_problem_that_has_both_is_chosen(whole):
    """Dncnn was run on xor_ctr alone, unet on ct too."""
    assert find.ranking(whole, None, None, ("unet", "dncnn")).group.operator == "xor_ctr"
    with pytest.raises(UsageError, match="choose one"):
        find.ranking(whole, None, None, ("unet", "unet"))


def test_a_method_that_was_run_once_names_its_run(whole):
    """Bench show dncnn needs no fingerprint; of unet there are two, and one on ct."""
    assert find.run(whole, "dncnn").spec.model.name == "dncnn"
    assert find.run(whole, "unet", "ct").spec.operator_label == "ct"
    with pytest.raises(UsageError, match="'unet' fits 2 runs"):
        find.run(whole, "unet")


@pytest.mark.parametrize(
    "name",
    ["ct:angles=30,oversample=2", "ct:oversample=2,angles=30", "ct:angles=30,oversample=2 (noise 0.01)"],
)
def test_an_operator_is_known_by_what_the_table_and_the_command_call_it(make, results, name):
    """As it was typed, in whatever order, and as the table shows it, with what its name does not say."""
    for model in ("tv", "unet"):
        make("ct:angles=30,oversample=2", model, data={"implied": ("noise 0.01",)})
    make("ct:angles=20", "tv")
    loaded = board(results)
    title = next(r.group.title for r in loaded.rankings if len(r.group.entries) == 2)
    for asked in (name, title):
        assert set(find.only(loaded, asked).frame.method) == {"tv", "unet"}
        assert len(find.ranking(loaded, asked, None).group.entries) == 2
    assert find.run(loaded, "unet", name).spec.model.name == "unet"


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
    group = find.ranking(board(results), None, None).group
    with pytest.raises(UsageError, match="fits 2 methods"):
        find.method(group, "unet")
    assert find.method(group, "unet (epochs=9)").mean() == pytest.approx(22)


def test_show_has_scores_command_and_provenance(whole):
    """Everything about one run in one text."""
    record = next(r for r in whole.records if r.spec.model.name == "dncnn")
    text = show.text(whole, record)
    for part in ("18.", "bench run --operator xor_ctr --model dncnn", "packages.torch", "Test CPU", "unet"):
        assert part in text
