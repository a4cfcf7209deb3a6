"""The table on a terminal: narrow, with trainings, their spread, and the marks of plots and page."""

from io import StringIO

import numpy as np
from rich.console import Console

from bench.leaderboard.plots.looks import looks
from bench.leaderboard.table import board
from bench.leaderboard.terminal import tables
from bench.recipe import Recipe


def _printed(whole) -> str:
    console = Console(width=80, record=True, file=StringIO())
    for table in tables(whole):
        console.print(table)
    return console.export_text()


def test_trainings_stand_with_their_spread(make, results):
    """Means of 18, 19 and 20 dB: three trainings, standard deviation 1 by hand; one training has none."""
    for seed, psnr in enumerate((18.0, 19.0, 20.0)):
        make(model="unet", psnr=psnr, seed=seed, recipe=Recipe(epochs=3))
    make(model="dncnn", psnr=12.0, recipe=Recipe(epochs=3))
    make(model="mean", psnr=10.0)
    lines = _printed(board(results)).splitlines()
    assert next(line for line in lines if "unet" in line).split("3x")[1].startswith(" ± 1.00")
    assert "1x " in next(line for line in lines if "dncnn" in line)
    assert all(len(line.rstrip()) <= 80 for line in lines)


def test_a_method_has_the_mark_of_the_plots(make, results):
    """What is a square in a figure is a square in the table; the floor is the grey one everywhere."""
    for model in ("dncnn", "tv", "unet", "mean"):
        make(model=model, psnr=np.full(40, 15.0))
    text = _printed(board(results))
    found = looks(["dncnn", "tv", "unet", "mean"])
    for model in ("dncnn", "tv", "unet"):
        assert f"{found[model].character} {model}" in text


def test_failures_of_one_kind_are_told_once(make, results):
    """Two trainings that fail alike take one line, which says how many."""
    make(model="unet", psnr=15.0)
    for seed in (0, 1):
        make(model="broken", status="failed", error="RuntimeError: no", seed=seed)
    text = _printed(board(results))
    assert text.count("failed: broken") == 1
    assert "(RuntimeError: no), 2 runs" in text


def test_a_column_of_ways_to_the_ceiling_needs_a_ceiling(make, results):
    """Where none is known the room goes to the names."""
    make(model="unet", psnr=15.0)
    make(model="mean", psnr=10.0)
    assert "ceiling" not in _printed(board(results))
