"""Photographs for tests, in the folders and under the names that their publishers give them."""

import numpy as np
import pytest
import torch
from PIL import Image

import bench
from bench.datasets.bsd import Bsd
from bench.datasets.div2k import Div2k
from bench.datasets.kodak import Kodak
from bench.datasets.mcmaster import McMaster
from bench.datasets.set14 import Set14
from bench.datasets.urban100 import Urban100
from bench.errors import UsageError

#: Dataset, folder of its test images, their names.
LAYOUTS = [
    (Kodak, "Kodak24", [f"kodim{i:02d}.png" for i in range(1, 25)]),
    (McMaster, "McM", [f"{i}.tif" for i in range(1, 19)]),
    (Set14, "Set14_HR", [f"{name}.png" for name in "abcdefghijklmn"]),
    (Urban100, "Urban100_HR", [f"img_{i:03d}.png" for i in range(1, 101)]),
    (Div2k, "DIV2K_valid_HR", [f"{i:04d}.png" for i in range(801, 901)]),
]


def write(folder, names, seed=0, sides=(40, 48)):
    """Random pictures, every other one upright; their pixels by name."""
    random, made = np.random.default_rng(seed), {}
    folder.mkdir(parents=True)
    for number, name in enumerate(names):
        size = sides if number % 2 else sides[::-1]
        made[name] = random.integers(0, 256, (*size, 3), np.uint8)
        Image.fromarray(made[name]).save(folder / name, quality=95)
    return made


@pytest.fixture
def div2k(tmp_path):
    """DIV2K's training part, small."""
    return write(tmp_path / "DIV2K_train_HR", [f"{i:04d}.png" for i in range(1, 31)], seed=1)


@pytest.mark.parametrize(("dataset", "folder", "names"), LAYOUTS)
def test_every_layout(tmp_path, div2k, dataset, folder, names):
    """Test images whole, in the order of their names, each in its own size; training takes windows."""
    made = write(tmp_path / folder, names)
    splits = dataset(root=str(tmp_path), size=32).load()
    assert len(splits.test) == len(names)
    for index, name in enumerate(sorted(names)):
        assert np.array_equal(splits.test[index].numpy(), made[name].transpose(2, 0, 1)), name
    assert splits.image_shape == (3, 32, 32)
    assert len(splits.train) + len(splits.validation) == 30
    known = {image.tobytes() for image in div2k.values()}
    assert all(splits.train[i].permute(1, 2, 0).numpy().tobytes() in known for i in range(len(splits.train)))


def test_cbsd68_is_kept_out_of_bsds500(tmp_path):
    """Of the 500 pictures the 68 that are tested are not learned from: by name, as PNG and JPEG differ."""
    names = [f"{1000 + i}" for i in range(500)]
    for part, (first, last) in {"train": (0, 200), "val": (200, 300), "test": (300, 500)}.items():
        folder = tmp_path / "BSDS500" / "data" / "images" / part
        write(folder, [f"{name}.jpg" for name in names[first:last]], sides=(20, 24))
    write(tmp_path / "CBSD68", [f"{name}.png" for name in names[200:268]], sides=(20, 24))
    splits = Bsd(root=str(tmp_path), size=16).load()
    assert (len(splits.train) + len(splits.validation), len(splits.test)) == (432, 68)
    (tmp_path / "CBSD68" / "1200.png").rename(tmp_path / "CBSD68" / "0000.png")
    with pytest.raises(UsageError, match=r"1 test pictures \(0000.png.*FFDNet.*train=FOLDER"):
        Bsd(root=str(tmp_path), size=16).load()


def test_windows_of_each_photograph(tmp_path, div2k):
    """An epoch takes several windows of a photograph, each elsewhere; validation takes one."""
    write(tmp_path / "Kodak24", LAYOUTS[0][2])
    one, four = (Kodak(root=str(tmp_path), size=16, windows=w).load() for w in (1, 4))
    assert len(four.train) == 4 * len(one.train)
    assert len(four.validation) == len(one.validation)


def test_grey(tmp_path, div2k):
    """As Pillow converts them."""
    made = write(tmp_path / "Kodak24", LAYOUTS[0][2])
    splits = Kodak(root=str(tmp_path), size=16, colour=False).load()
    expected = np.array(Image.fromarray(made["kodim01.png"]).convert("L"))
    assert np.array_equal(splits.test[0].numpy()[0], expected)


def test_a_whole_run(tmp_path, div2k):
    """Training on windows, scoring of whole images of two sizes, and the floor beside it."""
    write(tmp_path / "Set14_HR", LAYOUTS[2][2])
    dataset = f"set14:root={tmp_path},size=16"
    for model in ("mean", "unet:width=4", "inverse"):
        record = bench.run("noise:sigma=0.1", model, dataset, results=tmp_path / "r", epochs=1)
        assert record.status == "ok", record.error
        assert len(record.per_unit) == 14


def test_sides_that_a_factor_divides(tmp_path, div2k):
    """Test images lose rows at the bottom and columns at the right, as BasicSR's mod_crop; a run scores Y."""
    made = write(tmp_path / "Set14_HR", LAYOUTS[2][2], sides=(41, 51))
    splits = Set14(root=str(tmp_path), size=32, multiple=4).load()
    assert np.array_equal(splits.test[1].numpy(), made["b.png"][:40, :48].transpose(2, 0, 1))
    record = bench.run(
        "super_resolution:scale=4",
        "inverse",
        f"set14:root={tmp_path},size=32,multiple=4",
        protocol="luma",
        results=tmp_path / "r",
    )
    assert record.status == "ok", record.error


def test_what_is_not_here(tmp_path, div2k, monkeypatch):
    """Each message names folder, what was expected, and where to get it."""
    with pytest.raises(UsageError, match=rf"kodak: Kodak24 is not .*{tmp_path}/Kodak24 .*r0k.us.*root="):
        Kodak(root=str(tmp_path)).load()
    write(tmp_path / "Kodak24", LAYOUTS[0][2][:5])
    with pytest.raises(UsageError, match=r"Kodak24 holds 5 pictures, Kodak24 has 24: a part of a download"):
        Kodak(root=str(tmp_path)).load()
    write(tmp_path / "b" / "Kodak24", LAYOUTS[0][2])
    with pytest.raises(UsageError, match=r"0 training pictures in .*none, at least 2"):
        Kodak(root=str(tmp_path / "b"), train=str(tmp_path / "none")).load()
    (tmp_path / "b" / "Kodak24" / "kodim03.png").write_bytes(b"no picture")
    with pytest.raises(UsageError, match=r"kodak: unreadable: .*kodim03.png.*again at .*r0k.us"):
        Kodak(root=str(tmp_path / "b"), train=str(tmp_path / "DIV2K_train_HR")).load()
    monkeypatch.setenv("INVBENCH_CACHE", str(tmp_path / "cache"))
    with pytest.raises(UsageError, match=rf"{tmp_path}/cache/datasets/DIV2K_valid_HR .*bench fetch div2k"):
        Div2k().load()


def test_larger_windows_than_images(tmp_path, div2k):
    """Told with the least sizes there are."""
    write(tmp_path / "Kodak24", LAYOUTS[0][2])
    with pytest.raises(UsageError, match=r"windows of 64x64 pixels do not fit.*least height is 40"):
        _ = Kodak(root=str(tmp_path), size=64).load().image_shape
    assert torch.is_tensor(Kodak(root=str(tmp_path), size=40).load().train[0])
