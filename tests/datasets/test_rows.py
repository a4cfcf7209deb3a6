"""Slices read from where they lie in an HDF5 file, beside what h5py itself reads."""

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.datasets.shared.rows import Rows

SHAPE = (11, 14, 9)


def written(path, **how):
    """Random complex numbers in a file, stored as told."""
    drawn = np.random.default_rng(0).random((*SHAPE, 2), np.float32).view(np.complex64)[..., 0]
    with h5py.File(path, "w", userblock_size=how.pop("userblock_size", None)) as file:
        file.create_dataset("data", data=drawn.astype(how.pop("dtype", np.complex64)), **how)
    return drawn


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"chunks": (4, 5, 3)},
        {"chunks": (1, 14, 9)},
        {"chunks": (3, 14, 9)},
        {"chunks": (11, 14, 9)},
        {"chunks": (4, 5, 3), "compression": "gzip"},
        {"chunks": (4, 5, 3), "fletcher32": True},
        {"userblock_size": 512},
        {"chunks": (4, 5, 3), "userblock_size": 512},
    ],
)
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(numbers=st.lists(st.integers(0, SHAPE[0] - 1), max_size=14))
def test_every_way_of_storing(tmp_path, how, numbers):
    """In one piece, in chunks that do not divide it, filtered: any slices in any order; and multiples."""
    drawn = written(tmp_path / "a.h5", **how)
    with h5py.File(tmp_path / "a.h5") as file:
        rows = Rows(file["data"])
        found = np.full((len(numbers), *SHAPE[1:]), np.nan, np.complex64)
        rows.read(numbers, found)
        assert np.array_equal(found, drawn[numbers])
        rows.read(numbers, found, 2.0)
        assert np.array_equal(found, 2 * drawn[numbers])


def test_other_types_and_what_was_never_written(tmp_path):
    """Numbers in the other byte order, chunks that are not there, no slices at all."""
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("big", data=np.arange(24.0).reshape(4, 3, 2), dtype=">f4")
        file.create_dataset("holes", (8, 4, 4), np.float32, chunks=(2, 2, 2), fillvalue=7)[3] = 1
    with h5py.File(tmp_path / "a.h5") as file:
        for name in ("big", "holes"):
            array = file[name]
            found = np.zeros(array.shape, array.dtype)
            Rows(array).read(list(range(len(array))), found)
            assert np.array_equal(found, array[:])
            Rows(array).read([], found[:0])


def test_where_chunks_lie_is_looked_up_once(tmp_path, monkeypatch):
    """What one reader found serves the next one of the same file: with many files each is opened often."""
    drawn, known = written(tmp_path / "a.h5", chunks=(4, 5, 3)), {}
    found = np.zeros((2, *SHAPE[1:]), np.complex64)
    with h5py.File(tmp_path / "a.h5") as file:
        Rows(file["data"], known).read([5, 1], found)
    monkeypatch.setattr(Rows, "_offsets", lambda *_: pytest.fail("looked up again"))
    with h5py.File(tmp_path / "a.h5") as file:
        Rows(file["data"], known).read([6, 0], found)
    assert np.array_equal(found, drawn[[6, 0]])


def test_what_is_not_there(tmp_path):
    """A number beyond the last slice, and a file that lost its end after it was opened."""
    written(tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5") as file:
        rows, found = Rows(file["data"]), np.zeros((1, *SHAPE[1:]), np.complex64)
        for number in (-1, SHAPE[0]):
            with pytest.raises(IndexError, match=f"slices {number} to {number} of 11"):
                rows.read([number], found)
        with (tmp_path / "a.h5").open("r+b") as cut:
            cut.truncate(3000)
        with pytest.raises(OSError, match=r"bytes at .* are expected"):
            rows.read([10], found)
