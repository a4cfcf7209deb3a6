"""fastMRI, read from small volumes in its true layout."""

import shutil

import h5py
import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity

import bench
from bench.datasets.fastmri import FastMRI
from bench.errors import UsageError
from bench.operators.shared.cartesian import Cartesian, Scan
from bench.problem import Problem

#: Grids of k-space; images are 24x24.
GRIDS, SIZE, COILS = [(48, 30), (48, 28), (44, 30)], 24, 3


def fft2c(image):
    """Centred and unitary, as fastmri/fftc.py."""
    shifted = np.fft.ifftshift(image, axes=(-2, -1))
    return np.fft.fftshift(np.fft.fft2(shifted, norm="ortho"), axes=(-2, -1))


def ifft2c(spectrum):
    """Its inverse."""
    shifted = np.fft.ifftshift(spectrum, axes=(-2, -1))
    return np.fft.fftshift(np.fft.ifft2(shifted, norm="ortho"), axes=(-2, -1))


def middle(image):
    """FastMRI's center_crop to 24x24."""
    top, left = (image.shape[-2] - SIZE) // 2, (image.shape[-1] - SIZE) // 2
    return image[..., top : top + SIZE, left : left + SIZE]


def anatomy(grid, slices, random):
    """Smooth complex images with edges, of a scanner's small numbers, dark at the border."""
    rows, columns = np.meshgrid(*(np.linspace(-1, 1, side) for side in grid), indexing="ij")
    disc = ((rows * 1.6) ** 2 + (columns * 1.1) ** 2 < 0.6)[None] * (1 + 0.3 * random.random((slices, 1, 1)))
    phase = np.exp(1j * (rows + 0.5 * columns + random.random((slices, 1, 1))))
    return 2e-4 * (disc + 0.3 * (rows**2 + columns**2 < 0.1)) * phase


def write(folder, count, first, coils=1, slices=3):
    """Volumes as NYU gives them out: keys, types and attributes."""
    folder.mkdir(parents=True)
    written = {}
    for number in range(count):
        random = np.random.default_rng(first + number)
        grid = GRIDS[number % len(GRIDS)]
        image = anatomy(grid, slices, random)[:, None]
        rows, columns = np.meshgrid(*(np.linspace(-1, 1, side) for side in grid), indexing="ij")
        places = [(np.cos(a), np.sin(a)) for a in 2 * np.pi * np.arange(coils) / coils]
        maps = np.stack(
            [np.exp(-((rows - r) ** 2 + (columns - c) ** 2) / 2 + 1j * r * columns) for r, c in places]
        )
        spectrum = fft2c(image * (maps if coils > 1 else 1)).astype(np.complex64)
        seen = middle(np.abs(ifft2c(spectrum)))
        target = seen[:, 0] if coils == 1 else np.sqrt((seen**2).sum(1))
        path = folder / f"file{1000000 + first + number}.h5"
        with h5py.File(path, "w") as file:
            file["kspace"] = spectrum[:, 0] if coils == 1 else spectrum
            file["reconstruction_esc" if coils == 1 else "reconstruction_rss"] = target.astype(np.float32)
            file["ismrmrd_header"] = b"<ismrmrdHeader/>"
            file.attrs["max"] = target.astype(np.float32).max()
            file.attrs["norm"] = np.linalg.norm(target)
            file.attrs["acquisition"] = "CORPD_FBK" if number % 2 else "CORPDFS_FBK"
            file.attrs["patient_id"] = "0" * 64
        written[path.stem] = (spectrum, target)
    return written


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Single-coil training and validation volumes."""
    root = tmp_path_factory.mktemp("knee")
    write(root / "singlecoil_train", 6, 1)
    write(root / "singlecoil_val", 3, 501)
    return root


@pytest.fixture(scope="module")
def multi(tmp_path_factory):
    """Multi-coil volumes."""
    root = tmp_path_factory.mktemp("coils")
    write(root / "multicoil_train", 4, 1, COILS)
    write(root / "multicoil_val", 2, 501, COILS)
    return root


def columns(name, width):
    """The random mask of a file at 4x with 8 % in the middle, as REFERENCES words it."""
    generator, low = np.random.RandomState([ord(c) for c in name]), round(width * 0.08)
    generator.randint(0, 1)
    drawn = generator.uniform(size=width) < (width / 4 - low) / (width - low)
    drawn[(width - low + 1) // 2 :][:low] = True
    return drawn


def volumes(root, part):
    """The k-space and targets of a part, file by file."""
    for path in sorted((root / part).glob("*.h5")):
        with h5py.File(path, locking=False) as file:
            target = next(file[k][:] for k in file if k.startswith("reconstruction"))
            yield path.name, file["kspace"][:], target


def test_measurements_are_masked_kspace(root):
    """Of every slice, at its volume's level; images are the references at the same level."""
    splits = FastMRI(str(root)).load()
    index = 0
    for name, spectrum, target in volumes(root, "singlecoil_val"):
        lines = columns(name, spectrum.shape[-1])
        level = None
        for number in range(len(spectrum)):
            image, y = splits.test[index][0].numpy(), splits.test.measurement(index)
            level = level or target[number].max() / image.max()
            np.testing.assert_allclose(image * level, target[number], rtol=1e-5)
            held = torch.complex(*y).numpy() * level
            rows, width = spectrum.shape[-2:]
            np.testing.assert_allclose(held[:rows, :width], spectrum[number] * lines, rtol=1e-4, atol=1e-9)
            assert not held[rows:].any()
            assert not held[:, width:].any()
            assert splits.test.groups[index] == name.removesuffix(".h5")
            index += 1
    assert index == len(splits.test) == 9


def test_the_level_knows_nothing_of_the_truth(root, tmp_path):
    """It comes from measured lines: with every other line of the files changed, it stays."""
    shutil.copytree(root, tmp_path / "other")
    path = tmp_path / "other" / "singlecoil_val" / "file1000501.h5"
    with h5py.File(path, "r+") as file:
        lines = columns(path.name, file["kspace"].shape[-1])
        changed = file["kspace"][:]
        changed[..., ~lines] *= 3
        file["kspace"][:] = changed
    own, other = (FastMRI(str(r)).load().test.measurement(0) for r in (root, tmp_path / "other"))
    assert torch.equal(own, other)


def test_zero_filling_is_the_magnitude_of_the_transform(root):
    """Inverse and what a network sees, of items of different grids in one batch."""
    splits = FastMRI(str(root)).load()
    indices = [0, 3, 6, 1]
    y = torch.stack([splits.test.measurement(i) for i in indices])
    image = splits.test.operator(indices).inverse(y)
    held = [
        (name, spectrum, number)
        for name, spectrum, _ in volumes(root, "singlecoil_val")
        for number in range(3)
    ]
    for row, index in enumerate(indices):
        name, spectrum, number = held[index]
        expected = middle(np.abs(ifft2c(spectrum[number] * columns(name, spectrum.shape[-1]))))
        scale = expected.max() / float(image[row].max())
        np.testing.assert_allclose(image[row, 0].numpy() * scale, expected, rtol=1e-4, atol=1e-9)


def test_complex_images(root):
    """Their magnitudes are the references, and all lines give them back."""
    magnitude, phase = FastMRI(str(root)).load(), FastMRI(str(root), phase=True).load()
    assert phase.dtype == torch.complex64
    torch.testing.assert_close(phase.test[4].abs(), magnitude.test[4], rtol=1e-4, atol=1e-5)
    assert phase.test[4].imag.abs().max() > 0.1


def test_the_adjoint():
    """Re <A x, y> = Re <x, A* y>, with coils, padding and a mask for each item."""
    drawn = torch.Generator().manual_seed(0)
    maps = torch.randn(2, 2, 8, 8, generator=drawn, dtype=torch.complex64)
    scans = [
        Scan((12, 10), torch.rand(10, generator=drawn) < 0.5, maps[0]),
        Scan((14, 9), torch.rand(9, generator=drawn) < 0.5, maps[1]),
    ]
    operator = Cartesian((1, 8, 8), scans, 2, (14, 10))
    x = torch.randn(2, 1, 8, 8, generator=drawn, dtype=torch.complex64)
    y = torch.randn(2, 4, 14, 10, generator=drawn)
    left = (operator.forward(x, drawn) * y).sum()
    right = (x.conj() * operator.adjoint(y)).sum().real
    torch.testing.assert_close(left, right, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(operator.items(1, 2).adjoint(y[1:]), operator.adjoint(y)[1:])


def test_coils_are_combined(multi):
    """Magnitudes by their root of sum of squares; complex images by maps estimated from the middle lines."""
    splits = FastMRI(str(multi), coils="multi").load()
    (name, spectrum, target), *_ = volumes(multi, "multicoil_val")
    y = splits.test.measurement(0)
    assert y.shape == (2 * COILS, 48, 30)
    image = splits.test.operator([0]).inverse(y[None])[0, 0].numpy()
    seen = middle(np.abs(ifft2c(spectrum[0] * columns(name, spectrum.shape[-1]))))
    expected = np.sqrt((seen**2).sum(0))
    np.testing.assert_allclose(image * expected.max() / image.max(), expected, rtol=1e-4, atol=1e-9)
    phase = FastMRI(str(multi), coils="multi", phase=True, centre_fraction=0.2).load()
    close = phase.test[0].abs()[0].numpy()
    close *= target[0].max() / close.max()
    inside = target[0] > 0.3 * target[0].max()
    assert np.abs(close - target[0])[inside].max() < 0.1 * target[0].max()


@pytest.mark.parametrize("phase", [False, True])
def test_volumes_with_other_numbers_of_coils(multi, tmp_path, phase):
    """One shape for all: what a volume lacks sees nothing, and its image is what it is by itself."""
    for number, (part, count, first) in enumerate((("train", 2, 1), ("val", 1, 501))):
        write(tmp_path / "few" / f"multicoil_{part}", count, first, COILS - 1)
        shutil.copytree(tmp_path / "few" / f"multicoil_{part}", tmp_path / "mixed" / f"multicoil_{part}")
        shutil.copy(
            multi / "multicoil_train" / f"file100000{3 + number}.h5", tmp_path / "mixed" / f"multicoil_{part}"
        )
    mixed, few = (FastMRI(str(tmp_path / n), coils="multi", phase=phase).load() for n in ("mixed", "few"))
    place = mixed.test.groups.index("file1000501")
    indices = [place, 0 if place else len(mixed.test) - 1]
    y, operator = mixed.test.measurements(indices), mixed.test.operator(indices)
    assert y.shape[1:] == operator.measurement_shape == (2 * COILS, 48, 30)
    alone = few.test.operator([0]).inverse(few.test.measurements([0]))
    torch.testing.assert_close(operator.inverse(y)[:1], alone)
    torch.testing.assert_close(mixed.test[place], few.test[0])


def test_given_maps(multi, tmp_path):
    """Sensitivities beside the volumes are taken as they are; a file without them is named."""
    for name, spectrum, _ in volumes(multi, "multicoil_train"):
        with h5py.File(tmp_path / name, "w") as file:
            file["sensitivities"] = np.full((*spectrum.shape[:2], SIZE, SIZE), 1j / COILS**0.5, np.complex64)
    dataset = FastMRI(str(multi), coils="multi", phase=True, maps=str(tmp_path)).load()
    (_, spectrum, _), *_ = volumes(multi, "multicoil_train")
    image = dataset.train[0][0].numpy()
    expected = -1j * middle(ifft2c(spectrum[0])).sum(0) / COILS**0.5
    scale = np.abs(expected).max() / np.abs(image).max()
    np.testing.assert_allclose(image * scale, expected, rtol=1e-3, atol=1e-8)
    with pytest.raises(UsageError, match=rf"{tmp_path}/file1000501.h5"):
        dataset.test[0]


@pytest.mark.parametrize(
    ("model", "extra"), [("inverse", ""), ("unet:width=4", ""), ("unet:width=4", ",phase=true")]
)
def test_a_whole_run(root, tmp_path, model, extra):
    """What an MRI researcher types: no operator, no protocol; volumes are scored."""
    record = bench.run("", model, f"fastmri:root={root},acceleration=4{extra}", results=tmp_path, epochs=1)
    assert record.status == "ok", record.error
    assert record.spec.protocol == "fastmri"
    assert record.per_unit["group"].tolist() == ["file1000501", "file1000502", "file1000503"]
    assert record.scores["psnr"] > 5


def test_a_method_that_needs_complex_images_says_so(root, tmp_path):
    """Magnitudes are no linear problem; the message says which option makes it one."""
    with pytest.raises(UsageError, match=r"tv does not work with .*phase=true"):
        bench.run("", "tv", f"fastmri:root={root}", results=tmp_path)


@pytest.mark.parametrize(
    "model",
    [
        "tv:iterations=20",
        "cgls:iterations=4",
        "landweber:iterations=20",
        "unrolled_gradient:iterations=2",
        "learned_primal_dual:iterations=2",
    ],
)
def test_linear_methods_on_complex_images(multi, tmp_path, model):
    """Several coils, sensitivities estimated: each comes near zero-filling, or beyond it."""
    dataset = f"fastmri:root={multi},coils=multi,phase=true"
    zero = bench.run("", "inverse", dataset, results=tmp_path)
    record = bench.run("", model, dataset, results=tmp_path, epochs=1)
    assert record.status == "ok", record.error
    assert record.scores["psnr"] > zero.scores["psnr"] - 1


def test_the_floor_reads_no_kspace(root, tmp_path, monkeypatch):
    """The mean of the training images: their magnitudes alone are read for it."""
    from bench.datasets.fastmri import Slices

    asked, own = [], Slices.measurement
    monkeypatch.setattr(Slices, "measurement", lambda self, index: asked.append(self) or own(self, index))
    problem = Problem(None, FastMRI(str(root)).load()).training()
    asked.clear()
    images = torch.cat(list(problem.training_images(4)))
    assert len(images) == problem.train_count
    assert not asked
    record = bench.run("", "mean", f"fastmri:root={root}", results=tmp_path)
    assert record.status == "ok", record.error


def test_scores_are_fastmris(root, tmp_path):
    """PSNR, SSIM and NMSE of zero-filled volumes as fastmri/evaluate.py has them, in the file's numbers."""
    record = bench.run("", "inverse", f"fastmri:root={root}", metrics=["nmse"], results=tmp_path)
    for row, (name, spectrum, target) in zip(
        record.per_unit.itertuples(), volumes(root, "singlecoil_val"), strict=True
    ):
        image = middle(np.abs(ifft2c(spectrum * columns(name, spectrum.shape[-1]))))
        error, peak = np.mean((image - target) ** 2), target.max()
        assert row.psnr == pytest.approx(10 * np.log10(peak**2 / error), abs=1e-3)
        pairs = zip(target, image.astype(np.float32), strict=True)
        slices = [structural_similarity(t, i, data_range=peak) for t, i in pairs]
        assert row.ssim == pytest.approx(np.mean(slices), abs=1e-4)
        assert row.nmse == pytest.approx(((image - target) ** 2).sum() / (target**2).sum(), rel=1e-3)


def test_patients_of_one_sequence(root):
    """Volumes of one acquisition; a limited number for training."""
    splits = FastMRI(str(root), acquisition="CORPD_FBK", volumes=2).load()
    assert set(splits.train.groups) == {"file1000002", "file1000004"}
    with pytest.raises(UsageError, match=r"0 volumes of acquisition AXT2 in .*singlecoil_train"):
        FastMRI(str(root), acquisition="AXT2").load()


def damaged(root, tmp_path, change):
    """A copy of the data with one changed file."""
    copy = tmp_path / "copy"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(root, copy)
    path = copy / "singlecoil_val" / "file1000502.h5"
    change(path)
    return FastMRI(str(copy))


def without(*keys):
    """A change that deletes datasets or attributes."""

    def change(path):
        with h5py.File(path, "r+") as file:
            for key in keys:
                del (file if key in file else file.attrs)[key]

    return change


def resliced(path):
    """One slice of k-space less."""
    with h5py.File(path, "r+") as file:
        held = file["kspace"][1:]
        del file["kspace"]
        file["kspace"] = held


def chunk_broken(path):
    """A compressed chunk of another slice than the middle one is overwritten."""
    with h5py.File(path, "r+") as file:
        held = file["kspace"][:]
        del file["kspace"]
        made = file.create_dataset("kspace", data=held, chunks=(1, *held.shape[1:]), compression="gzip")
        place = made.id.get_chunk_info(0)
    with path.open("r+b") as file:
        file.seek(place.byte_offset)
        file.write(b"\0" * (place.size // 2))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:3000]), r"file1000502.h5 cannot be read.*nyu.edu"),
        (
            without("reconstruction_esc"),
            r"502.h5 has no .reconstruction_esc.. There are: .*kspace.*nyu.edu",
        ),
        (without("max"), r"file1000502.h5 has no attribute max: another version of the layout.*nyu.edu"),
        (
            resliced,
            r"502.h5 is inconsistent: 2 slices of k-space 48x28 do not .* 3 images of 24x24.*nyu.edu",
        ),
    ],
)
def test_damaged_files(root, tmp_path, change, message):
    """One message: the file, what was expected, where to get it."""
    with pytest.raises(UsageError, match=message):
        damaged(root, tmp_path, change).load()


def test_a_broken_chunk(root, tmp_path):
    """It is met when the slice is read: file and slice are named, in a run too."""
    dataset = damaged(root, tmp_path, chunk_broken)
    splits = dataset.load()
    with pytest.raises(UsageError, match=r"502.h5 is damaged: kspace, slice 0, cannot be read.*nyu.edu"):
        splits.test.measurement(3)
    with pytest.raises(UsageError, match=r"file1000502.h5"):
        list(Problem(None, splits).test_batches())


def test_what_is_not_here(root, multi, tmp_path):
    """A missing root, another part, and coils that were not said."""
    with pytest.raises(UsageError, match=r"singlecoil_train is not here.*does not exist.*nyu.edu.*root="):
        FastMRI(str(tmp_path)).load()
    packed = tmp_path / "packed"
    for part in ("singlecoil_train", "singlecoil_val"):
        (packed / part).mkdir(parents=True)
        (packed / part / f"{part}.tar.gz").touch()
    with pytest.raises(UsageError, match=r"holds archives that are not unpacked .*tar.gz.*nyu.edu"):
        FastMRI(str(packed)).load()
    with pytest.raises(UsageError, match=r"multicoil_train is not here"):
        FastMRI(str(root), coils="multi").load()
    (tmp_path / "singlecoil_train").symlink_to(multi / "multicoil_train")
    (tmp_path / "singlecoil_val").symlink_to(multi / "multicoil_val")
    with pytest.raises(UsageError, match=r"has no 'reconstruction_esc'. There are: .*reconstruction_rss"):
        FastMRI(str(tmp_path)).load()


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"acceleration": 1}, "acceleration must be at least 2"),
        ({"centre_fraction": 0.3}, "centre_fraction must lie between 0 and 1 / acceleration, 0.25"),
        ({"maps": "m"}, "maps has an effect with coils=multi,phase=true alone"),
    ],
)
def test_wrong_parameters(params, message):
    """Told before anything is read."""
    with pytest.raises(ValueError, match=message):
        FastMRI("r", **params)
