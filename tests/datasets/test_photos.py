"""Photos: what its splits hold, and that they never share a pixel."""

import io
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


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    """Nothing is read that another test, or another version, has left."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INVBENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


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
        width = 300 + 37 * list(PHOTOGRAPHS).index(name)
        image = np.zeros((160, width, 3), np.uint8)
        for split, (start, stop) in regions(width, size).items():
            image[:, start:stop] = 40 * (1 + SPLITS.index(split))
        file = io.BytesIO()
        Image.fromarray(image).save(file, "png")
        return file.getvalue()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(photos, "_file", painted)
        splits = Photos(size=size, train=50, test=20).load()
    for number, split in enumerate(SPLITS):
        assert getattr(splits, split).images.unique().tolist() == [40 * (1 + number)]


def test_a_warm_cache_changes_nothing(tmp_path, monkeypatch):
    """Cut anew, kept, and kept but damaged or of another set: the same images, groups and digest."""
    monkeypatch.setenv("INVBENCH_CACHE", str(tmp_path))
    dataset = Photos(size=16, train=50, test=20)
    cut = dataset.load()
    (file,) = (tmp_path / "photos").iterdir()
    whole = file.read_bytes()
    other = Photos(size=16, train=50, test=21)
    other.load()
    (foreign,) = set((tmp_path / "photos").iterdir()) - {file}
    for content in (whole, whole[:-1], b"", foreign.read_bytes()):
        file.write_bytes(content)
        again = dataset.load()
        assert again.digest() == cut.digest()
        assert again.test.groups == cut.test.groups
        assert file.read_bytes() == whole


def test_kept_windows_are_read(tmp_path, monkeypatch):
    """With a warm cache no photograph is decoded."""
    monkeypatch.setenv("INVBENCH_CACHE", str(tmp_path))
    cut = Photos(size=16, train=50, test=20).load()
    monkeypatch.setattr(Photos, "planes", lambda self: pytest.fail("cut again"))
    assert Photos(size=16, train=50, test=20).load().digest() == cut.digest()


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


def painted(count, flat=0, size=8):
    """A plane of windows in one row, the first ones flat, the others of random levels."""
    pixels = np.random.default_rng(0).integers(0, 256, (size, size * count, 3), np.uint8)
    pixels[:, : size * flat] = 7
    return photos.Plane("rocket.jpg", "test", (0, size * count), 1, Image.fromarray(pixels))


@given(st.integers(0, 30), st.integers(0, 40), st.integers(0, 2**32))
def test_flat_windows_are_thinned(others, blank, seed):
    """At most one flat window in eight is drawn as long as there are others, and none but once."""
    random = torch.Generator().manual_seed(seed)
    plane = painted(others + blank, blank)
    found = plane.drawn(others + blank // 8, 8, 8, random)
    flat = (found == 7).all((1, 2, 3))
    assert len(found) == others + blank // 8
    assert flat.sum() <= -(-blank // 8)
    assert len(np.unique(found[~flat], axis=0)) == (~flat).sum() >= others - 1


def test_flat_windows_are_drawn_where_there_are_no_others():
    """What is asked for is met, with flat windows if need be."""
    assert len(painted(20, flat=18).drawn(20, 8, 8, torch.Generator())) == 20


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 9), st.integers(0, 2**32))
def test_flat_is_what_the_deviation_says(size, seed):
    """By NumPy's standard deviation about each channel's mean, window by window."""
    random = np.random.default_rng(seed)
    windows = random.integers(0, random.integers(2, 40), (30, 3, size, size), np.uint8)
    spread = np.sqrt(windows.reshape(30, 3, -1).astype(float).var(2).mean(1))
    assert ((photos.flat(windows) == (spread < 5)) | (abs(spread - 5) < 1e-9)).all()


@pytest.mark.parametrize("size", [32, 48])
def test_test_windows_lie_side_by_side(size):
    """No two windows of one plane share a pixel: their starts are whole multiples of their size apart."""
    dataset = Photos(size=size)
    planes = [plane for plane in dataset.planes() if plane.split == "test"]
    step, capacity = dataset._capacity(planes, "test")
    assert step == size
    for plane, there in zip(planes, capacity, strict=True):
        width, height = plane.size
        assert there == (width // size) * (height // size)


def test_few_flat_windows():
    """Blank windows, whose PSNR is high whatever was learnt, are at most a tenth: as many as in leaves."""
    splits = Photos(train=1000, test=500).load()
    for images in (splits.train[:], splits.test[:]):
        assert photos.flat(images.numpy()).mean() <= 0.1


def test_photographs_are_the_groups():
    """Every window says which photograph it comes from; each gives about as many as the others."""
    splits = Photos(train=400, test=80).load()
    for name in ("train", "test", "validation"):
        split = getattr(splits, name)
        counts = np.unique(split.groups, return_counts=True)
        assert sorted(counts[0]) == sorted(f"{photograph}, {name}" for photograph in PHOTOGRAPHS)
        assert counts[1].max() <= counts[1].min() + len(split) // 40 + 2


@given(st.lists(st.tuples(st.integers(1, 1000), st.integers(0, 3)), min_size=1, max_size=20), st.data())
def test_quotas_share_exactly_what_is_asked(planes, data):
    """Every count up to the capacity is met exactly, and no plane is asked for more than it has."""
    capacity, photograph = np.array(planes).T
    count = data.draw(st.integers(1, int(capacity.sum())))
    quotas = photos._quotas(count, capacity, photograph)
    assert quotas.sum() == count
    assert (quotas <= capacity).all()


def test_all_windows_are_different():
    """No position is used twice, also where more are asked for than lie side by side."""
    splits = Photos(size=48, train=300, test=2000).load()
    assert len(splits.test[:].flatten(1).unique(dim=0)) == 2000


def test_every_photograph_is_in_every_split():
    """At the default size no photograph and no split is left out."""
    found = {(plane.photograph, plane.split) for plane in Photos().planes()}
    assert found == {(name, split) for name in PHOTOGRAPHS for split in SPLITS}


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
