"""CIFAR-10, MedMNIST and torchvision's sets, read from small files in their true format."""

import numpy as np
import pytest
import scipy.io
import torch
from PIL import Image

from bench.datasets.cifar10 import Cifar10
from bench.datasets.medmnist import MedMnist
from bench.datasets.torchvision import PARTS, Name, Torchvision
from bench.errors import UsageError


@pytest.fixture
def cifar(tmp_path):
    """Six files: of each image a label, then its red, green and blue values, row by row."""
    random, made = np.random.default_rng(0), {}
    folder = tmp_path / "cifar-10-batches-bin"
    folder.mkdir()
    for name in [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]:
        made[name] = random.integers(0, 256, (4, 32, 32, 3), np.uint8)
        with (folder / f"{name}.bin").open("wb") as file:
            for image in made[name]:
                file.write(bytes([7]) + b"".join(image[..., c].tobytes() for c in range(3)))
    return made


def test_cifar10(tmp_path, cifar):
    """Its own training and test images, channels first."""
    splits = Cifar10(root=str(tmp_path)).load()
    expected = np.concatenate([cifar[f"data_batch_{i}"] for i in range(1, 6)]).transpose(0, 3, 1, 2)
    assert np.array_equal(splits.train.read(range(20)).numpy(), expected)
    assert np.array_equal(splits.test[1].numpy(), cifar["test_batch"][1].transpose(2, 0, 1))


def test_cifar10_cut_off(tmp_path, cifar):
    """A file that is too short, and one that is missing, are named."""
    file = tmp_path / "cifar-10-batches-bin" / "data_batch_3.bin"
    file.write_bytes(file.read_bytes()[:-5])
    with pytest.raises(UsageError, match=r"data_batch_3.bin has 12,287 bytes.*cs.toronto.edu"):
        Cifar10(root=str(tmp_path)).load()
    file.unlink()
    with pytest.raises(UsageError, match=r"data_batch_3.bin cannot be read"):
        Cifar10(root=str(tmp_path)).load()
    with pytest.raises(UsageError, match=r"none/cifar-10-batches-bin does not exist.*bench fetch cifar10"):
        Cifar10(root=str(tmp_path / "none")).load()


@pytest.mark.parametrize("channels", [(), (3,)])
def test_medmnist(tmp_path, channels):
    """Grey and colour, the three splits as they come."""
    random = np.random.default_rng(0)
    held = {
        f"{part}_images": random.integers(0, 256, (5, 28, 28, *channels), np.uint8)
        for part in ("train", "val", "test")
    }
    np.savez(tmp_path / "bloodmnist.npz", **held, train_labels=np.zeros(5))
    splits = MedMnist("bloodmnist", root=str(tmp_path)).load()
    for split, part in ((splits.train, "train"), (splits.validation, "val"), (splits.test, "test")):
        expected = held[f"{part}_images"].reshape(5, 28, 28, -1).transpose(0, 3, 1, 2)
        assert np.array_equal(split.read(range(5)).numpy(), expected)


def test_medmnist_damaged(tmp_path):
    """Cut off, of another kind, volumes, or not there: the file is named, and where to get it."""
    file = tmp_path / "pathmnist.npz"
    file.write_bytes(b"PK\x03\x04")
    with pytest.raises(UsageError, match=r"pathmnist.npz has no readable array train_images.*medmnist.com"):
        MedMnist(root=str(tmp_path)).load()
    np.savez(file, train_images=np.zeros((2, 28, 28, 28, 1), np.uint8))
    with pytest.raises(UsageError, match=r"is uint8 \(2, 28, 28, 28, 1\); 2-D images"):
        MedMnist(root=str(tmp_path)).load()
    with pytest.raises(UsageError, match=r"pathmnist_64.npz does not exist or is empty"):
        MedMnist(root=str(tmp_path), size=64).load()


def test_torchvision_flags_of_its_own_splits(tmp_path):
    """Flowers102: three parts by the numbers in a MATLAB file, JPEG pictures of their own sizes."""
    random, folder = np.random.default_rng(0), tmp_path / "flowers-102"
    (folder / "jpg").mkdir(parents=True)
    for number in range(1, 13):
        image = random.integers(0, 256, (30 + number, 40, 3), np.uint8)
        Image.fromarray(image).save(folder / "jpg" / f"image_{number:05d}.jpg")
    scipy.io.savemat(folder / "imagelabels.mat", {"labels": np.arange(1, 13)})
    parts = {"trnid": [1, 2, 3, 4, 5], "valid": [6, 7], "tstid": [8, 9, 10, 11, 12]}
    scipy.io.savemat(folder / "setid.mat", parts)
    import torchvision

    with pytest.MonkeyPatch.context() as patch:  # its MD5 sums are of the true files
        patch.setattr(torchvision.datasets.Flowers102, "_check_integrity", lambda self: True)
        splits = Torchvision("Flowers102", root=str(tmp_path), size=24).load()
        whole = Torchvision("Flowers102", root=str(tmp_path)).load()
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (5, 2, 5)
    assert splits.image_shape == (3, 24, 24)
    third = np.array(Image.open(folder / "jpg" / "image_00003.jpg")).transpose(2, 0, 1)
    assert np.array_equal(whole.train[2].numpy(), third)
    assert whole.image_shape == (3, 31, 40)


def test_torchvision_without_splits(tmp_path):
    """Caltech101 has none: a tenth is cut off at random, the same at every call."""
    for category in ("ant", "bass"):
        folder = tmp_path / "caltech101" / "101_ObjectCategories" / category
        folder.mkdir(parents=True)
        for number in range(1, 11):
            pixels = np.random.default_rng(number).integers(0, 256, (20, 20), np.uint8)
            Image.fromarray(pixels).save(folder / f"image_{number:04d}.jpg")
    (tmp_path / "caltech101" / "101_ObjectCategories" / "BACKGROUND_Google").mkdir()
    import torchvision

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torchvision.datasets.Caltech101, "_check_integrity", lambda self: True)
        first, again = (Torchvision("Caltech101", root=str(tmp_path), size=16).load() for _ in range(2))
    assert (len(first.train), len(first.test)) == (18, 2)
    assert torch.equal(first.test[0], again.test[0])


def test_torchvision_not_here(tmp_path):
    """What torchvision says, and what to type."""
    with pytest.raises(UsageError, match=r"torchvision: its files are not in .*download=true"):
        Torchvision("DTD", root=str(tmp_path)).load()


def test_every_name_has_its_parts():
    """The names that may be given are those whose parts are known, and classes of torchvision."""
    import torchvision

    assert set(PARTS) == set(Name.__args__)
    assert all(hasattr(torchvision.datasets, name) for name in PARTS)


def test_a_mistyped_name_is_answered_as_it_is_spelt():
    """Names are torchvision's, capitals included; so are those in the message."""
    from bench import registry
    from bench.component import Component

    with pytest.raises(UsageError, match=r"name=flowers102: input should be 'Caltech101'.*'Flowers102'"):
        Component.parse("torchvision:name=flowers102").checked(registry.datasets)
