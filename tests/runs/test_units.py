"""Scores of each scoring unit: what is written is what is read; runs on the same images share names."""

import math

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.errors import BenchError
from bench.runs.units import Units, write

VALUES = st.floats(allow_nan=False, width=64)
NAMES = st.text(st.characters(codec="utf-8", categories=["L", "N"]), min_size=1, max_size=20)


@given(st.lists(st.tuples(VALUES, NAMES), min_size=1, max_size=30))
def test_what_is_written_is_read(tmp_path_factory, rows):
    """Every score to the last bit, infinite ones too, and every name, in their order."""
    folder = tmp_path_factory.mktemp("record")
    values, names = zip(*rows, strict=True)
    write(folder, pd.DataFrame({"psnr": values, "my:metric=2": values, "group": names}))
    read = Units.read(folder, ["psnr", "my:metric=2"])
    assert read.scores["psnr"].tolist() == read.scores["my:metric=2"].tolist() == list(values)
    assert read.groups.tolist() == list(names)
    # Other libraries read it as well: pandas finds the same columns and no index.
    pd.testing.assert_frame_equal(
        read.frame(), pd.DataFrame(pq.read_table(folder / "scores.parquet").to_pydict())
    )


def test_equal_names_are_one_array(tmp_path):
    """The names of a million images are held once, however many runs were scored on them."""
    units = []
    for run, groups in {"a": ["x", "y"], "b": ["x", "y"], "c": ["y", "x"]}.items():
        (tmp_path / run).mkdir()
        write(tmp_path / run, pd.DataFrame({"psnr": [1.0, math.inf], "group": groups}))
        units.append(Units.read(tmp_path / run, ["psnr"]))
    assert units[0].groups is units[1].groups
    assert units[0].grouping == units[1].grouping != units[2].grouping
    np.testing.assert_array_equal(units[2].groups, ["y", "x"])


def test_what_is_missing_is_named(tmp_path):
    """A metric that the record has and the file has not."""
    write(tmp_path, pd.DataFrame({"psnr": [1.0], "group": ["x"]}))
    with pytest.raises(BenchError, match="'ssim' not once"):
        Units.read(tmp_path, ["psnr", "ssim"])
