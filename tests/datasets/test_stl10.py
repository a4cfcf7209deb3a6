"""STL-10, read from a small file in its true format."""

import hashlib

import numpy as np
import pytest
import requests
import torch
from torchvision.datasets import STL10

from bench.datasets.stl10 import Stl10
from bench.errors import BenchError, UsageError

COUNT = 12


@pytest.fixture
def images(tmp_path, monkeypatch):
    """Twelve images, written as on the STL-10 page: each channel column by column.

    torchvision checks MD5 sums; here, those of the small files.
    """
    images = np.random.default_rng(0).integers(0, 256, (COUNT, 3, 96, 96), np.uint8)
    folder = tmp_path / "stl10_binary"
    folder.mkdir()
    for name in ("train_X.bin", "train_y.bin", "test_X.bin", "test_y.bin"):
        (folder / name).write_bytes(name.encode())
    (folder / "unlabeled_X.bin").write_bytes(images.transpose(0, 1, 3, 2).tobytes())
    sums = {file.name: hashlib.md5(file.read_bytes()).hexdigest() for file in folder.iterdir()}
    for files in ("train_list", "test_list"):
        monkeypatch.setattr(STL10, files, [[name, sums[name]] for name, _ in getattr(STL10, files)])
    return images


def test_splits_are_the_first_and_the_last_images(images, tmp_path):
    """Rows are rows and columns are columns, and the two splits share no image."""
    splits = Stl10(root=str(tmp_path), train=7, test=5).load()
    np.testing.assert_array_equal(splits.train.images.numpy(), images[:7])
    np.testing.assert_array_equal(splits.test.images.numpy(), images[7:])
    assert splits.train.images.dtype == torch.uint8
    assert splits.train.images.is_contiguous()


def test_the_papers_split_is_the_default():
    """90,000 images to train and 10,000 to test, nothing downloaded unasked."""
    dataset = Stl10()
    assert (dataset.train, dataset.test, dataset.download) == (90_000, 10_000, False)


def test_more_images_than_there_are(images, tmp_path):
    """Training and test images are never taken twice: too many are refused."""
    with pytest.raises(UsageError, match="train=10 and test=3 are 13 images; it has 12"):
        Stl10(root=str(tmp_path), train=10, test=3).load()


def test_missing_files_say_how_to_get_them(tmp_path):
    """Nothing is downloaded unless asked."""
    with pytest.raises(UsageError, match=r"stl10:root=FOLDER.*stl10:download=true"):
        Stl10(root=str(tmp_path / "none")).load()


def test_a_damaged_file(images, tmp_path):
    """A file cut short fails its MD5 sum."""
    file = tmp_path / "stl10_binary" / "unlabeled_X.bin"
    file.write_bytes(file.read_bytes()[:-1000])
    with pytest.raises(UsageError, match="damaged"):
        Stl10(root=str(tmp_path)).load()


def test_a_download_that_fails(tmp_path, monkeypatch):
    """No network: one message, with the reason."""

    def unreachable(*_, **__):
        raise requests.ConnectionError("no route to host")

    monkeypatch.setattr(requests, "get", unreachable)
    with pytest.raises(BenchError, match=r"stl10_binary.tar.gz cannot be downloaded.*no route") as caught:
        Stl10(root=str(tmp_path), download=True).load()
    assert caught.value.exit_code == 1


@pytest.mark.parametrize("name", ["train", "test"])
def test_bad_numbers_are_refused(name):
    """The message names the parameter and the value."""
    with pytest.raises(ValueError, match=f"{name} must be at least 1, not 0"):
        Stl10(**{name: 0})
