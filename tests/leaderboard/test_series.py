"""Series: recognised from specs alone, one line a method, drawn with floor and ceiling."""

import numpy as np
import pytest
from matplotlib.colors import to_hex

from bench.leaderboard import page, plots
from bench.leaderboard.plots.looks import looks
from bench.leaderboard.readme import BEGIN, END, update
from bench.leaderboard.series import series
from bench.leaderboard.table import board
from bench.recipe import Recipe


def found(results):
    """The series of a folder."""
    return series(r.group for r in board(results).rankings)


def told(one):
    """Its lines as labels with values and rounded means."""
    return {line.label: [(x, round(method.mean())) for x, method in line.points] for line in one.lines}


def test_values_of_an_operators_parameter(make, results):
    """Each method is a line, the floor and the ceiling too; a default is a value like any other."""
    for angles, gain in (("ct:angles=15", 0), ("ct", 5), ("ct:angles=60", 9)):
        for model, psnr in (("unet", 20), ("tv", 18), ("mean", 10), ("inverse", 15)):
            make(angles, model, psnr + gain * (model != "mean"))
    (one,) = found(results)
    assert (one.parameter, one.title, one.logarithmic) == ("ct.angles", "ct on photos", True)
    assert told(one) == {
        "unet": [(15, 20), (30, 25), (60, 29)], "tv": [(15, 18), (30, 23), (60, 27)],
        "inverse": [(15, 15), (30, 20), (60, 24)], "mean": [(15, 10), (30, 10), (60, 10)],
    }  # fmt: skip
    assert [line.role for line in one.lines] == ["model", "model", "ceiling", "floor"]


def test_training_images(make, results):
    """Sizes that were asked for and the whole set are one line, over powers of ten."""
    for size, count in ((10, 10), (100, 100), (None, 1000)):
        make(psnr=15 + np.log10(count), train_size=size, data={"train": count})
        make(model="mean", psnr=10.0, train_size=size, data={"train": count})
    (one,) = found(results)
    assert (one.parameter, one.logarithmic) == ("training images", True)
    assert told(one)["unet"] == [(10, 16), (100, 17), (1000, 18)]
    titles = {r.group.title for r in board(results).rankings}
    more = {f"xor_ctr on photos ({size} training images)" for size in (10, 100)}
    assert titles == {"xor_ctr on photos", *more}


def test_a_models_parameter(make, results):
    """Methods of one problem; what does not have the parameter is no line, floor and ceiling are level."""
    for width, psnr in ((8, 18), (16, 19), (64, 20)):
        make(model=f"unet:width={width}", psnr=psnr)
    make(model="tv", psnr=15)
    make(model="mean", psnr=10)
    (one,) = found(results)
    assert (one.parameter, one.title) == ("width of the model", "xor_ctr on photos")
    assert told(one) == {"unet": [(8, 18), (16, 19), (64, 20)], "mean": [(8, 10), (16, 10), (64, 10)]}


def test_score_against_budget(make, results):
    """The same method with other epochs is one line; with another learning rate it is another method."""
    for epochs, psnr in ((2, 15), (10, 18), (40, 19)):
        make(psnr=psnr, recipe=Recipe(epochs=epochs))
    make(psnr=17, recipe=Recipe(epochs=10, lr=0.1))
    make(model="mean", psnr=10)
    (one,) = found(results)
    assert (one.parameter, one.title, one.logarithmic) == ("epochs", "xor_ctr on photos", True)
    assert told(one) == {"unet": [(2, 15), (10, 18), (40, 19)], "mean": [(2, 10), (10, 10), (40, 10)]}


def test_a_floor_far_below_is_not_what_the_axis_is_of(make, results):
    """Drawn at every value, it is one method all the same: the axis is of those that differ."""
    for epochs, psnr in ((2, 26), (5, 27), (10, 28), (20, 28.7), (40, 28.6)):
        make(psnr=np.random.default_rng(0).normal(psnr, 1, 60), recipe=Recipe(epochs=epochs))
    make(model="mean", psnr=np.random.default_rng(1).normal(13, 1, 60))
    (axes,) = plots.series(board(results)).axes
    low, high = axes.get_ylim()
    assert 28.7 < high < 35
    assert 20 < low < 26


def test_without_intervals_the_axis_is_of_the_means(make, results):
    """Images of one group leave no interval; the points are shown where they are all the same."""
    for epochs, psnr in ((2, 26.0), (5, 27.0)):
        make(psnr=[psnr, psnr], groups=["one", "one"], recipe=Recipe(epochs=epochs))
    (axes,) = plots.series(board(results)).axes
    low, high = axes.get_ylim()
    assert 25 < low < 26
    assert 27 < high < 28


def test_a_datasets_parameter_and_one_inside_a_chain(make, results):
    """Each is a series of its own, whatever else there is."""
    for size in (16, 32):
        make(dataset=f"photos:size={size}", psnr=size)
    for sigma in (0.1, 0.2, 0.3):
        make(f"ct+noise:sigma={sigma}", dataset="ellipses", psnr=30 - 10 * sigma)
    assert [(s.parameter, s.title, s.values) for s in found(results)] == [
        ("noise.sigma", "ct+noise on ellipses", [0.1, 0.2, 0.3]),
        ("photos.size", "xor_ctr on photos", [16, 32]),
    ]


def test_what_differs_in_more_is_no_series(make, results):
    """Another recipe, another seed of the problem's key, two parameters at once, words and switches."""
    make("ct:angles=15", recipe=Recipe(epochs=1))
    make("ct:angles=60", recipe=Recipe(epochs=2))
    make("inpainting:fraction=0.3,seed=1")
    make("inpainting:fraction=0.6,seed=2")
    make("deblurring:kernel=box")
    make("deblurring:kernel=disc")
    make("xor_ctr:seed=1")
    make("xor_ctr:seed=2")
    make("xor_ctr", numbers=1)
    assert found(results) == []


def test_grids_of_two_parameters_are_series_of_each(make, results):
    """A line for each value of the other."""
    for angles in (15, 60):
        for arc in (90, 120):
            make(f"ct:angles={angles},arc={arc}", psnr=angles / 3)
    names = sorted((s.parameter, s.title) for s in found(results))
    assert names == [
        ("ct.angles", "ct:arc=120 on photos"), ("ct.angles", "ct:arc=90 on photos"),
        ("ct.arc", "ct:angles=15 on photos"), ("ct.arc", "ct:angles=60 on photos"),
    ]  # fmt: skip


def test_nothing_is_read_that_only_a_record_names(make, results, plugin):
    """The default of a stranger's file is not looked up: its point is left out."""
    path = plugin("mine", "raise SystemExit('opened')")
    for text in (path, f"{path}:strength=1", f"{path}:strength=2"):
        make(text)
    (one,) = found(results)
    assert (one.parameter, one.values) == ("mine.strength", [1, 2])


def test_lines_have_their_methods_look_and_name(make, results):
    """Colours are those of every other figure; names stand at the ends, an infinite one with its sign."""
    for angles in (15, 30, 60):
        for model in ("unet", "tv", "mean"):
            make(f"ct:angles={angles}", model, 20.0)
        make(f"ct:angles={angles}", "inverse", np.full(40, np.inf))
    axes = plots.series(board(results)).axes[0]
    wanted = looks(["unet", "tv", "mean", "inverse"])
    shown = {text.get_text(): to_hex(text.get_color()).upper() for text in axes.texts}
    assert {"unet", "tv", "mean", "inverse +∞"} == set(shown)
    assert {shown[name] for name in ("unet", "tv")} == {wanted[name].colour for name in ("unet", "tv")}
    assert [text.get_text() for text in axes.get_xticklabels()] == ["15", "30", "60"]
    assert axes.get_xlabel() == "ct.angles"


def test_the_readme_has_the_figure(make, results, tmp_path):
    """With a caption, and only where there is a series."""
    readme = tmp_path / "README.md"
    for models, there in (["unet"], False), (["unet:width=8", "unet:width=16"], True):
        for model in models:
            make(model=model)
        readme.write_text(f"{BEGIN}\n{END}\n", encoding="utf-8")
        update(board(results), results, readme)
        assert ("series.png" in readme.read_text(encoding="utf-8")) is there


@pytest.mark.parametrize("points", [2, 9])
def test_values_at_the_axis(make, results, points):
    """Few values are named each, many by round numbers between."""
    for i in range(points):
        make(f"denoising:sigma={0.01 * 2**i}", psnr=30.0 - i)
    (axes,) = plots.series(board(results)).axes
    assert axes.get_xscale() == ("log" if points == 9 else "linear")
    assert (len(axes.get_xticks()) == points) is (points == 2)


def test_the_page_shows_series(make, results, tmp_path):
    """On the front page, and on the page of each problem that is part of one; escaped like all text."""
    for angles in (15, 30):
        make(f"ct:angles={angles}", "unet")
    make("xor_ctr", "unet<b>")
    index = page.write(board(results), tmp_path / "page")
    text = index.read_text(encoding="utf-8")
    assert 'id="series"' in text
    assert "ct on photos: PSNR (dB) against ct.angles" in text
    problems = [p.read_text(encoding="utf-8") for p in (tmp_path / "page" / "problems").iterdir()]
    assert sorted("against ct.angles" in problem for problem in problems) == [False, True, True]
