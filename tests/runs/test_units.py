"""Scores of each scoring unit: what is written is what is read; runs on the same images share names."""

import math

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.errors import BenchError
from bench.runs.pages import table
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


OTHERS = {
    "as pandas does": {},
    "compressed": {"use_dictionary": ["group"], "compression": "zstd"},
    "with dictionaries": {"compression": "none"},
    "in several pages": {"use_dictionary": ["group"], "compression": "none", "data_page_size": 64},
    "in pages of another kind": {
        "use_dictionary": ["group"],
        "compression": "none",
        "data_page_version": "2.0",
    },
    "in several groups of rows": {"use_dictionary": ["group"], "compression": "none", "row_group_size": 50},
}


@pytest.mark.parametrize("options", OTHERS.values(), ids=OTHERS)
@pytest.mark.parametrize("nullable", [True, False])
def test_what_others_write_is_read(tmp_path, options, nullable):
    """Numbers are taken as they lie in the file only where they lie there as they are in memory."""
    values, names = np.random.default_rng(0).normal(size=200), [f"{i // 3}" for i in range(200)]
    kinds = {"psnr": pa.float64(), "group": pa.string()}
    schema = pa.schema([pa.field(name, kind, nullable=nullable) for name, kind in kinds.items()])
    pq.write_table(pa.table({"psnr": values, "group": names}, schema), tmp_path / "scores.parquet", **options)
    read = Units.read(tmp_path, ["psnr"])
    np.testing.assert_array_equal(read.scores["psnr"], values)
    assert read.groups.tolist() == names


def test_a_column_within_another_is_none(tmp_path):
    """``x.psnr`` is not ``psnr``, for whoever reads the file, even where its numbers lie there plainly."""
    kind = pa.struct([pa.field("psnr", pa.float64(), nullable=False)])
    schema = pa.schema([pa.field("x", kind, nullable=False), pa.field("group", pa.string(), nullable=False)])
    content = pa.table({"x": [{"psnr": 1.0}], "group": ["a"]}, schema)
    pq.write_table(content, tmp_path / "scores.parquet", use_dictionary=["group"], compression="none")
    with pytest.raises(BenchError, match="'psnr' not once"):
        Units.read(tmp_path, ["psnr"])


def test_numbers_are_read_as_they_lie(tmp_path):
    """What :func:`write` writes needs no library to be read: the numbers are bytes of the file."""
    write(tmp_path, pd.DataFrame({"psnr": [1.5, 2.5], "group": ["a", "b"]}))
    content = (tmp_path / "scores.parquet").read_bytes()
    (group,) = table(content).groups
    (numbers,) = (chunk.doubles(content) for chunk in group if chunk.name == b"psnr")
    assert numbers.tolist() == [1.5, 2.5]
    assert content.count(np.array([1.5, 2.5]).tobytes()) == 1


def test_equal_names_are_one_array(tmp_path):
    """The names of a million images are held once, however many runs were scored on them."""
    units = []
    for run, groups in {"a": ["x", "y"], "b": ["x", "y"], "c": ["y", "x"]}.items():
        (tmp_path / run).mkdir()
        write(tmp_path / run, pd.DataFrame({"psnr": [1.0, math.inf], "group": groups}))
        units.append(Units.read(tmp_path / run, ["psnr"]))
    assert units[0].groups is units[1].groups
    assert units[0].names.number == units[1].names.number != units[2].names.number
    np.testing.assert_array_equal(units[2].groups, ["y", "x"])


def test_what_is_missing_is_named(tmp_path):
    """A metric that the record has and the file has not."""
    write(tmp_path, pd.DataFrame({"psnr": [1.0], "group": ["x"]}))
    with pytest.raises(BenchError, match="'ssim' not once"):
        Units.read(tmp_path, ["psnr", "ssim"])
