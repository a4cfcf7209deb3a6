"""Photos: what its splits hold, and that they never share a pixel."""

import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from bench.datasets import photos
from bench.datasets.photos import PHOTOGRAPHS, Photos, regions
from bench.errors import UsageError

SPLITS = ("train", "test", "validation")


@given(width=st.integers(1, 3000), size=st.integers(1, 400))
def test_regions_are_disjoint_and_hold_a_window(width, size):
    """No column of a photograph belongs to two splits, and each split can hold a window."""
    found = regions(width, size)
    columns = [column for start, stop in found.values() for column in range(start, stop)]
    assert len(columns) == len(set(columns))
    assert set(columns) <= set(range(width))
    assert all(stop - start >= size for start, stop in found.values())


@settings(deadline=None, max_examples=8)
@given(size=st.integers(1, 140))
def test_no_window_sees_the_region_of_another_split(size):
    """Photographs painted in one colour per region give windows of that one colour, at every scale."""

    def painted(name):
        width = 300 + 37 * PHOTOGRAPHS.index(name)
        image = np.zeros((160, width, 3), np.uint8)
        for split, (start, stop) in regions(width, size).items():
            image[:, start:stop] = 40 * (1 + SPLITS.index(split))
        return Image.fromarray(image)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(photos, "_open", painted)
        splits = Photos(size=size, train=50, test=20).load()
    for number, split in enumerate(SPLITS):
        assert getattr(splits, split).images.unique().tolist() == [40 * (1 + number)]


def test_shapes_and_counts():
    """The parameters mean what they say; validation is a twentieth of the training windows."""
    splits = Photos(size=20, train=400, test=30).load()
    assert splits.train.images.shape == (400, 3, 20, 20)
    assert splits.test.images.shape == (30, 3, 20, 20)
    assert splits.validation.images.shape == (20, 3, 20, 20)
    assert {split.dtype for split in (splits.train.images, splits.test.images, splits.validation.images)} == {
        torch.uint8
    }


def test_the_same_at_every_call():
    """The content of a dataset depends on its parameters alone."""
    assert Photos(train=100, test=10).load().digest() == Photos(train=100, test=10).load().digest()


def test_windows_are_parts_of_the_photographs():
    """Windows of the finest scale lie in the photographs as skimage.data itself reads them."""
    import skimage.data

    coffee = skimage.data.coffee()
    plane = next(
        p for p in Photos().planes() if (p.photograph, p.split, p.scale) == ("coffee.png", "test", 1)
    )
    start, stop = plane.region
    np.testing.assert_array_equal(plane.pixels.transpose(1, 2, 0), coffee[:, start:stop])


def test_planes_are_reduced_as_pillow_does_it():
    """A plane of scale 2 has half the height and the mean colour of its region."""
    planes = [p for p in Photos().planes() if (p.photograph, p.split) == ("coffee.png", "train")]
    fine, coarse = (next(p for p in planes if p.scale == scale) for scale in (1, 2))
    assert coarse.pixels.shape[1] == fine.pixels.shape[1] // 2
    np.testing.assert_allclose(coarse.pixels.mean((1, 2)), fine.pixels.mean((1, 2)), atol=0.5)


@pytest.mark.parametrize("size", [1, 7, 32, 96])
def test_all_windows_of_a_split_come_from_different_places(size):
    """No position is used twice, however many windows are asked for."""
    for plane in Photos(size=size).planes():
        rows, columns = plane.positions(size)
        for count in {1, min(50, rows * columns), rows * columns}:
            row, column = photos._grid(count, rows, columns)
            assert len({*zip(row.tolist(), column.tolist(), strict=True)}) == count
            assert row.min() >= 0
            assert column.min() >= 0
            assert row.max() < rows
            assert column.max() < columns


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=20), st.data())
def test_quotas_share_exactly_what_is_asked(capacities, data):
    """Every count up to the capacity is met exactly, and no plane is asked for more than it has."""
    capacity = np.array(capacities)
    count = data.draw(st.integers(1, int(capacity.sum())))
    quotas = photos._quotas(count, capacity)
    assert quotas.sum() == count
    assert (quotas <= capacity).all()


def test_every_photograph_is_in_every_split():
    """At the default size no photograph and no split is left out."""
    found = {(plane.photograph, plane.split) for plane in Photos().planes()}
    assert found == {(name, split) for name in PHOTOGRAPHS for split in SPLITS}


def test_few_test_windows_overlap():
    """Ten windows of one plane that has room for them do not overlap at all."""
    row, column = photos._grid(10, 400, 130)
    apart = [
        abs(int(r) - int(q)) >= 32 or abs(int(c) - int(d)) >= 32
        for i, (r, c) in enumerate(zip(row, column, strict=True))
        for q, d in zip(row[:i], column[:i], strict=True)
    ]
    assert all(apart)


def test_the_papers_numbers_fit():
    """There are 90,000 and 10,000 different windows of 96x96 for the paper's preset."""
    capacity = dict.fromkeys(SPLITS, 0)
    for plane in Photos(size=96).planes():
        rows, columns = plane.positions(96)
        capacity[plane.split] += rows * columns
    assert capacity["train"] >= 90_000
    assert capacity["test"] >= 10_000
    assert capacity["validation"] >= 1_000


@pytest.mark.parametrize("name", ["size", "train", "test"])
@pytest.mark.parametrize("value", [0, -3])
def test_numbers_below_one_are_refused(name, value):
    """The message names the parameter and the value."""
    with pytest.raises(ValueError, match=f"{name} must be at least 1, not {value}"):
        Photos(**{name: value})


def test_a_size_that_fits_no_photograph_says_the_largest():
    """The size that the message offers works, and the next one does not."""
    with pytest.raises(UsageError, match="size=4000 is too large") as caught:
        Photos(size=4000).load()
    largest = int(re.search(r"at most (\d+)", str(caught.value)).group(1))
    assert Photos(size=largest, train=2, test=1).load().image_shape == (3, largest, largest)
    with pytest.raises(UsageError, match=f"at most {largest}"):
        Photos(size=largest + 1, train=2, test=1).load()


def test_more_windows_than_there_are():
    """The message says how many there are."""
    with pytest.raises(UsageError, match=r"test=10000000 is too many; there are \d+ different windows"):
        Photos(test=10_000_000).load()
