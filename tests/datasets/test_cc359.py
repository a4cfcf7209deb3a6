"""Calgary-Campinas raw data, read from small volumes in its true layout."""

import h5py
import numpy as np
import pytest
import torch

import bench
from bench.datasets.cc359 import MD5, PATTERNS, Cc359
from bench.errors import UsageError
from bench.problem import Problem

#: Grids of k-space (the second is wider, as some volumes are), slices of a volume, coils.
GRIDS, SLICES, COILS = [(24, 20), (24, 22)], 7, 3


def image_of(grid, random):
    """A head with a bright core, seen by coils that stand around it: (coils, rows, columns) complex."""
    rows, columns = np.meshgrid(*(np.linspace(-1, 1, side) for side in grid), indexing="ij")
    head = (rows**2 + 1.4 * columns**2 < 0.6) * (0.5 + 0.2 * random.random()) + (rows**2 + columns**2 < 0.1)
    places = [(np.cos(a), np.sin(a)) for a in 2 * np.pi * np.arange(COILS) / COILS]
    maps = [np.exp(-((rows - r) ** 2 + (columns - c) ** 2) / 2 + 1j * r * columns) for r, c in places]
    return 3e5 * head * np.stack(maps)


def write(folder, count, first):
    """Volumes as Calgary gives them out; what np.fft.ifft2 alone makes of them, as its challenge does."""
    folder.mkdir(parents=True)
    truth = {}
    for number in range(first, first + count):
        random, grid = np.random.default_rng(number), GRIDS[number % 2]
        coils = np.stack([image_of(grid, random) for _ in range(SLICES)])
        spectrum = np.fft.fftshift(np.fft.fft2(coils), axes=(-2, -1))
        held = np.empty((SLICES, *grid, 2 * COILS), np.float32)
        held[..., 0::2] = np.moveaxis(spectrum.real, 1, -1)
        held[..., 1::2] = np.moveaxis(spectrum.imag, 1, -1)
        path = folder / f"e{number:05d}s3_P{number}.7.h5"
        with h5py.File(path, "w") as file:
            file["kspace"] = held
        parts = np.fft.ifft2(held[..., 0::2] + 1j * held[..., 1::2], axes=(1, 2))
        truth[path.stem] = np.sqrt((np.abs(parts) ** 2).sum(-1)), held
    return truth


def write_patterns(folder, acceleration=5):
    """Four patterns for each grid: a full disc in the middle, the rest at random."""
    folder.mkdir(parents=True)
    made = {}
    for grid in GRIDS:
        random = np.random.default_rng(grid[1])
        rows, columns = np.ogrid[: grid[0], : grid[1]]
        disc = (rows - grid[0] // 2) ** 2 + (columns - grid[1] // 2) ** 2 <= 9
        made[grid] = disc | (random.random((4, *grid)) < 0.1)
        np.save(folder / f"R{acceleration}_{grid[0]}x{grid[1]}.npy", made[grid])
    return made


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Training and validation volumes, and patterns."""
    root = tmp_path_factory.mktemp("calgary")
    write(root / "Train", 4, 1)
    write(root / "Val", 2, 101)
    write_patterns(root / "poisson_sampling")
    return root


def test_images_are_what_the_challenge_scores(root, tmp_path):
    """Root sums of squares of the plain inverse transform, at the volume's level, without outer slices."""
    truth = write(tmp_path / "again", 2, 101)
    splits = Cc359(str(root), outer=2).load()
    assert splits.test.groups == [name for name in truth for _ in range(3)]
    index = 0
    for whole, held in truth.values():
        left = (held.shape[2] - 20) // 2
        images = whole[2:5, :, left : left + 20]
        scale = images[0].max() / float(splits.test[index].max())
        for image in images:
            np.testing.assert_allclose(splits.test[index][0] * scale, image, rtol=1e-4, atol=1)
            index += 1
    assert index == len(splits.test)


def test_measurements_are_given_patterns_of_kspace(root, tmp_path):
    """Of each volume one pattern; what a network sees is the challenge's zero-filled reconstruction."""
    truth = write(tmp_path / "again", 2, 101)
    patterns = write_patterns(tmp_path / "patterns")
    splits = Cc359(str(root), outer=2).load()
    y = splits.test.measurements([0, 3])
    seen = splits.test.operator([0, 3]).as_image(y)[:, 0].numpy()
    for image, measured, (_, held) in zip(seen, y, truth.values(), strict=True):
        grid = held.shape[1:3]
        spectrum = torch.complex(*measured.chunk(2)).numpy()[:, :, : grid[1]]
        there = (spectrum != 0).any(0)
        assert any(not (there & ~one).any() and there.sum() > 0.9 * one.sum() for one in patterns[grid])
        kept = held[2] * there[..., None]
        parts = np.fft.ifft2(kept[..., 0::2] + 1j * kept[..., 1::2], axes=(0, 1))
        left = (grid[1] - 20) // 2
        expected = np.sqrt((np.abs(parts) ** 2).sum(-1))[:, left : left + 20]
        np.testing.assert_allclose(image * (expected.max() / image.max()), expected, rtol=1e-3, atol=1)


def test_complex_images(root):
    """Combined by maps from the middle of k-space: near the magnitudes, and measured by a linear operator."""
    magnitude, phase = (Cc359(str(root), outer=2, phase=p).load() for p in (False, True))
    assert phase.dtype == torch.complex64
    close = (phase.test[1].abs() - magnitude.test[1]).abs().max() / magnitude.test[1].max()
    assert close < 0.1
    operator = phase.test.operator([1])
    x = phase.test[1][None]
    y = operator.forward(x, torch.Generator())
    again = torch.randn(y.shape, generator=torch.Generator().manual_seed(0))
    left, right = (y * again).sum(), (x.conj() * operator.adjoint(again)).sum().real
    torch.testing.assert_close(left, right, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize(
    ("model", "extra"), [("inverse", ""), ("unet:width=4", ""), ("unet:width=4", ",phase=true,mask=random")]
)
def test_a_whole_run(root, tmp_path, model, extra):
    """Dataset and model alone; columns as fastMRI draws them where no pattern is wanted."""
    record = bench.run("", model, f"cc359:root={root},outer=2{extra}", results=tmp_path, epochs=1)
    assert record.status == "ok", record.error
    assert record.spec.protocol == "lodopab"
    assert record.data.groups == 2


def test_what_is_downloaded_and_what_is_not(tmp_path):
    """The challenge's patterns have an address; volumes are got by hand."""
    parts = Cc359(str(tmp_path), acceleration=10).parts()
    assert [part.archive is None for part in parts] == [True, True, False, False, False]
    assert parts[2].archive.url == f"{PATTERNS}/R10_218x170.npy"
    assert parts[2].archive.md5 == MD5["R10_218x170.npy"]
    assert parts[0].place == tmp_path / "Train"
    (tmp_path / "train_val_12_channel").mkdir()
    assert Cc359(str(tmp_path)).parts()[1].place == tmp_path / "train_val_12_channel" / "Val"


def broken(kind, folder):
    """A copy of the layout with one fault."""
    write(folder / "Train", 2, 1)
    write(folder / "Val", 1, 101)
    write_patterns(folder / "poisson_sampling")
    path = folder / "Val" / "e00101s3_P101.7.h5"
    if kind == "cut":
        path.write_bytes(path.read_bytes()[:2000])
    elif kind == "pattern":
        (folder / "poisson_sampling" / "R5_24x22.npy").unlink()
    elif kind == "noise":
        (folder / "poisson_sampling" / "R5_24x20.npy").write_bytes(b"no array")
    elif kind == "other":
        with h5py.File(path, "w") as file:
            file["kspace"] = np.zeros((SLICES, COILS, 24, 20), np.complex64)
    elif kind == "empty":
        for file in (folder / "Train").iterdir():
            file.unlink()
        (folder / "Train" / "readme.txt").touch()
    elif kind == "few":
        with h5py.File(path, "w") as file:
            file["kspace"] = np.zeros((4, 24, 20, 2 * COILS), np.float32)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("cut", r"e00101s3_P101.7.h5 cannot be read.*calgary-campinas"),
        ("pattern", r"cc359: .*R5_24x22.npy is missing: .*24x22 at 5x.*bench fetch cc359"),
        ("noise", r"cc359: .*R5_24x20.npy holds no array of patterns .*calgary-campinas"),
        ("other", r"holds kspace \(7, 3, 24, 20\) complex64; float32 .*calgary-campinas"),
        ("empty", r"Train holds 0 volumes \(.h5\), 2 or more are needed.*calgary-campinas"),
        ("few", r"has 4 slices, more than twice outer=2.*calgary-campinas"),
    ],
)
def test_bad_files(tmp_path, kind, message):
    """One message: the file, what was expected, where to get it."""
    broken(kind, tmp_path)
    with pytest.raises(UsageError, match=message) as error:
        next(Problem(None, Cc359(str(tmp_path), outer=2).load()).test_batches())
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"acceleration": 1}, "acceleration must be at least 2"),
        ({"centre_fraction": 0.1}, "centre_fraction=0.1 has no effect with mask=poisson"),
        ({"mask": "random", "centre_fraction": 0.3}, "centre_fraction must lie between 0 and 0.2"),
        ({"outer": -1}, "outer must be at least 0"),
    ],
)
def test_wrong_parameters(params, message):
    """Told before anything is read."""
    with pytest.raises(ValueError, match=message):
        Cc359("r", **params)
