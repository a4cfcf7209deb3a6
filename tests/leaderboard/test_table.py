"""The table: one row per run, infinities kept, everything a pure function of the records."""

import math
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import bench
from bench.component import Component
from bench.errors import UsageError
from bench.leaderboard.groups import group
from bench.leaderboard.table import COLUMNS


def test_a_row_for_every_run_failed_ones_too(make, results):
    """A failed run is a row with its error, not a missing one."""
    make(model="unet", psnr=20.0)
    make(model="mean", psnr=12.0)
    make(model="broken", status="failed", error="RuntimeError: out of memory")
    frame = bench.table(results)
    assert list(frame.columns) == list(COLUMNS)
    assert list(frame.method) == ["unet", "mean", "broken"]
    assert list(frame["rank_best"].fillna(0)) == [1, 0, 0]
    assert frame["rank"].iloc[0] == "1"
    assert frame.error.iloc[2] == "RuntimeError: out of memory"
    assert frame.above_floor.iloc[0] == pytest.approx(8.0)


def test_infinite_scores_survive_the_csv(make, results, tmp_path):
    """+inf and -inf are results: they must come back from the file as they went in."""
    make(model="inverse", psnr=[np.inf] * 10)
    make(model="diverged", psnr=[-np.inf] * 10)
    frame = bench.table(results)
    frame.to_csv(tmp_path / "t.csv", index=False)
    back = pd.read_csv(tmp_path / "t.csv")
    assert list(back.psnr) == [math.inf, -math.inf]
    assert list(back.psnr_low) == [math.inf, -math.inf]


def test_calling_the_package_needs_no_torch():
    """`bench list` and the table stay quick: reading records imports no torch."""
    assert callable(bench.table)
    import subprocess

    code = "import sys, bench; bench.table; import bench.leaderboard.table; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_no_results_folder_is_a_clear_answer(tmp_path):
    """A missing folder and a folder of something else are told apart."""
    with pytest.raises(UsageError, match="there is no folder"):
        bench.table(tmp_path / "nothing")
    with pytest.raises(UsageError, match="is no results folder"):
        bench.table(tmp_path)


def test_an_empty_results_folder_gives_an_empty_table(results):
    """Before the first run there is a table without rows, not an error."""
    (results / "runs").mkdir(parents=True)
    assert bench.table(results).empty


def test_a_metric_more_makes_no_other_method(make):
    """A training that was scored again by one more metric is one row, not two that cannot be told apart."""
    plain = make(model="unet", psnr=20.0)
    more = replace(plain, fingerprint="b" * 16, spec=replace(plain.spec, metrics=(Component("nmse"),)))
    (found,) = group([plain, more, make(model="tv", psnr=19.0)])
    assert next((entry.label, entry.records) for entry in found.entries) == ("unet", (more,))
    assert [entry.label for entry in found.entries] == ["unet", "tv"]
