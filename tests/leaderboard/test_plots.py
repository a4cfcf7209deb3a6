"""The figures show every method, infinities at the edge, and only comparable speeds together."""

import numpy as np

from bench.leaderboard import plots
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
    assert _texts(axes) == ["+∞", "20.0", "12.0"]
    marker = axes.lines[1]
    assert marker.get_marker() == ">"
    assert marker.get_xdata()[0] > 20


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


def test_pareto_front_by_hand():
    """(1, 9) and (5, 5) are beaten by no other; (4, 4) is beaten by (5, 5)."""
    assert plots.pareto([(1, 9), (4, 4), (5, 5), (0.5, 9)]) == [2, 0]


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
