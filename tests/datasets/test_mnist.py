"""MNIST, read from small files in its true format."""

import gzip
import hashlib
import struct

import numpy as np
import pytest
import torch
from torchvision.datasets import MNIST

from bench.datasets.mnist import Mnist
from bench.errors import BenchError, UsageError

IMAGES = {"train": 6, "t10k": 4}


def idx(array):
    """An array of bytes in the IDX format: magic number, sizes (big-endian), values."""
    return struct.pack(f">{1 + array.ndim}i", 0x800 + array.ndim, *array.shape) + array.tobytes()


@pytest.fixture
def digits(tmp_path):
    """The four files, packed, with a few random images each."""
    random = np.random.default_rng(0)
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    digits = {}
    for name, count in IMAGES.items():
        digits[name] = random.integers(0, 256, (count, 28, 28), np.uint8)
        labels = random.integers(0, 10, count, np.uint8)
        (raw / f"{name}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(digits[name])))
        (raw / f"{name}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(labels)))
    return digits


@pytest.fixture
def unpacked(digits, tmp_path):
    """The same, unpacked."""
    for file in (tmp_path / "MNIST" / "raw").glob("*.gz"):
        file.with_suffix("").write_bytes(gzip.decompress(file.read_bytes()))
        file.unlink()
    return digits


def test_its_own_split_is_kept(unpacked, tmp_path):
    """One channel, training and test images as they come."""
    splits = Mnist(root=str(tmp_path)).load()
    np.testing.assert_array_equal(splits.train.images[:, 0].numpy(), unpacked["train"])
    np.testing.assert_array_equal(splits.test.images[:, 0].numpy(), unpacked["t10k"])
    assert splits.image_shape == (1, 28, 28)
    assert splits.train.images.dtype == torch.uint8


def test_train_and_test_limit_the_numbers(unpacked, tmp_path):
    """The first of each are taken."""
    splits = Mnist(root=str(tmp_path), train=3, test=2).load()
    np.testing.assert_array_equal(splits.train.images[:, 0].numpy(), unpacked["train"][:3])
    np.testing.assert_array_equal(splits.test.images[:, 0].numpy(), unpacked["t10k"][:2])


def test_packed_files_are_checked_and_unpacked(digits, tmp_path, monkeypatch):
    """With download=true, files already there with the right MD5 sums are not fetched again."""
    raw = tmp_path / "MNIST" / "raw"
    sums = [(name, hashlib.md5((raw / name).read_bytes()).hexdigest()) for name, _ in MNIST.resources]
    monkeypatch.setattr(MNIST, "resources", sums)
    monkeypatch.setattr(MNIST, "mirrors", ["http://localhost:9/"])
    splits = Mnist(root=str(tmp_path), download=True).load()
    np.testing.assert_array_equal(splits.train.images[:, 0].numpy(), digits["train"])
    assert not (raw / "train-images-idx3-ubyte.gz").exists()


def test_missing_files_say_how_to_get_them(tmp_path):
    """Nothing is downloaded unless asked."""
    with pytest.raises(UsageError, match=r"mnist:root=FOLDER.*mnist:download=true"):
        Mnist(root=str(tmp_path)).load()


@pytest.mark.parametrize("content", [b"", b"\0\0", b"\0\0\x08\x03\0\0\0\x09\0\0\0\x1c\0\0\0\x1c short"])
def test_a_damaged_file(unpacked, tmp_path, content):
    """Empty, cut short, or no IDX file at all."""
    (tmp_path / "MNIST" / "raw" / "train-images-idx3-ubyte").write_bytes(content)
    with pytest.raises(UsageError, match="damaged"):
        Mnist(root=str(tmp_path)).load()


def test_a_download_that_fails(tmp_path, monkeypatch):
    """No network: one message, which names the file."""
    monkeypatch.setattr(MNIST, "mirrors", ["http://localhost:9/"])
    with pytest.raises(BenchError, match=r"train-images-idx3-ubyte.gz cannot be downloaded"):
        Mnist(root=str(tmp_path), download=True).load()


@pytest.mark.parametrize("name", ["train", "test"])
def test_bad_numbers_are_refused(name):
    """The message names the parameter and the value."""
    with pytest.raises(ValueError, match=f"{name} must be at least 1, not 0"):
        Mnist(**{name: 0})
