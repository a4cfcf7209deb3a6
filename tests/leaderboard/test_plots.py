"""The figures show every method, infinities at the edge, and only comparable speeds together."""

import numpy as np
import pytest
from matplotlib.colors import to_hex

from bench.leaderboard import plots
from bench.leaderboard.plots.looks import looks
from bench.leaderboard.plots.tradeoff import pareto, stairs
from bench.leaderboard.table import board
from bench.recipe import Recipe


def _texts(axes):
    return [t.get_text() for t in axes.texts]


def test_quality_shows_every_method_and_marks_infinities(make, results):
    """An infinite score is not dropped: it stands at the edge with its sign."""
    make(model="unet", psnr=20.0)
    make(model="mean", psnr=12.0)
    make(model="inverse", psnr=np.full(40, np.inf))
    axes = plots.quality(board(results)).axes[0]
    assert [t.get_text() for t in axes.get_yticklabels()] == ["inverse", "unet", "mean"]
    assert [text for text in _texts(axes) if text in ("+∞", "20.0", "12.0")] == ["+∞", "20.0", "12.0"]
    places = axes.collections[0].get_offsets()[:, 0].tolist()
    assert places[1:] == [pytest.approx(20), pytest.approx(12)]
    assert 20 < places[0] < axes.get_xlim()[1]


def test_quality_shows_the_boards_verdicts(make, results):
    """The star and the rank intervals are the table's own."""
    make(model="unet", psnr=20.0)
    make(model="dncnn", psnr=15.0)
    make(model="mean", psnr=12.0)
    texts = _texts(plots.quality(board(results)).axes[0])
    assert texts == ["★ 20.0", "1", "15.0", "2", "12.0", "floor"]


def test_titles_fit_beside_long_names(make, results):
    """With names as long as a panel takes, the titles of three panels end within the figure."""
    for operator in ("ct:angles=20", "denoising:sigma=0.05", "super_resolution:factor=3"):
        make(
            operator, "unet:width=16,residual=False,depth=8", 20.0, dataset="leaves:train=60,test=12,size=96"
        )
    figure = plots.quality(board(results))
    figure.draw_without_rendering()
    ends = [title.get_window_extent().x1 for axes in figure.axes for title in [axes.title, axes._left_title]]
    assert max(ends) <= figure.bbox.x1


def test_one_collapsed_method_does_not_hide_the_others(make, results):
    """-150 dB stands at the edge with its value; the others keep the axis."""
    for i, model in enumerate(("unet", "dncnn", "tv", "nlm")):
        make(model=model, psnr=20.0 + i)
    make(model="cgls", psnr=-150.0)
    axes = plots.quality(board(results)).axes[0]
    assert axes.get_xlim()[0] > 10
    assert "−150.0" in _texts(axes)


def test_a_method_looks_the_same_everywhere(make, results):
    """One colour a method: in quality, speed and training curves, on every problem."""
    for operator, models in (("xor_ctr", ("unet", "dncnn")), ("ct", ("dncnn", "tv", "unet"))):
        for model in models:
            make(operator, model, 20.0, recipe=Recipe(epochs=3))
    loaded = board(results)
    wanted = {label: look.colour for label, look in looks(["unet", "dncnn", "tv"]).items()}
    for axes in plots.quality(loaded).axes:
        names = [t.get_text() for t in axes.get_yticklabels()]
        shown = [to_hex(c) for c in axes.collections[0].get_facecolors()]
        assert shown == [wanted[name].lower() for name in names]
    for axes in plots.training(loaded).axes:
        assert {to_hex(line.get_color()) for line in axes.lines} <= {c.lower() for c in wanted.values()}
        assert all(to_hex(t.get_color()) == wanted[t.get_text()].lower() for t in axes.texts)


def test_speeds_are_labelled_at_their_points(make, results):
    """No legend: each point bears its name."""
    make(model="unet", psnr=20.0)
    make(model="tv", psnr=25.0)
    axes = plots.speed(board(results)).axes[0]
    assert axes.get_legend() is None
    assert sorted(_texts(axes)) == ["tv", "unet"]


def test_speeds_of_different_hardware_are_not_in_one_panel(make, results):
    """A GPU's speed beside a laptop's says nothing of the methods."""
    make(model="unet", psnr=20.0)
    make(model="dncnn", psnr=21.0, provenance={"hardware": "another machine"})
    assert len(plots.speed(board(results)).axes) == 2


def test_small_differences_look_small(make, results):
    """Methods a hundredth of a dB apart are not drawn from the bottom of the panel to its top."""
    make(model="unet", psnr=20.0)
    make(model="dncnn", psnr=20.01)
    low, high = plots.speed(board(results)).axes[0].get_ylim()
    assert high - low >= 1


def test_problems_that_are_not_drawn_are_counted(make, results):
    """A figure holds twelve panels: that there are more is said, and where; of twelve nothing is said."""
    for number in range(14):
        make(f"ct:angles={number + 1}", "unet", 20.0)
        make(f"ct:angles={number + 1}", "tv", 21.0)
        if number == 11:
            assert "more problem" not in plots.quality(board(results)).get_supxlabel()
    figure = plots.quality(board(results))
    assert len(figure.axes) == 12
    assert figure.get_supxlabel().endswith("The page has 2 more problems, of fewer methods.")


def test_pareto_front_by_hand():
    """(1, 9) and (5, 5) are beaten by no other; (4, 4) is beaten by (5, 5)."""
    assert pareto([(1, 9), (4, 4), (5, 5), (0.5, 9)]) == [2, 0]


def test_the_front_steps_where_a_slower_method_is_better():
    """10 images/s at 5 dB, 1 image/s at 9 dB: all speeds from 1 to 10 reach 5 dB, only up to 1 reach 9."""
    assert stairs([(10, 5), (1, 9)], 0.5) == [(10, 5), (1, 5), (1, 9), (0.5, 9)]


def test_write_gives_pictures_and_removes_old_ones(make, results):
    """A plot that no longer has anything to show must not stay behind."""
    make(model="unet", psnr=20.0, recipe=Recipe(epochs=3))
    names = [p.name for p in plots.write(board(results), results / "plots")]
    assert names == ["quality.png", "speed.png", "training.png"]
    make(model="mean", psnr=20.0)
    for run in board(results).records:
        if run.spec.model.name == "unet":
            (run.folder / "history.parquet").unlink()
    plots.write(board(results), results / "plots")
    assert not (results / "plots" / "training.png").exists()


def test_names_with_dollars_and_markup_are_drawn_as_they_are(make, results, tmp_path):
    """A plug-in called $x_1$ is text, not mathematics that fails to parse."""
    make(operator="op:a=$\\bad{", model="unet", psnr=20.0, recipe=Recipe(epochs=2))
    assert len(plots.write(board(results), tmp_path)) == 3
