"""LoDoPaB-CT's files, written here as DIVal describes them, with sinograms known in closed form."""

import math
import os
import shutil

import h5py
import numpy as np
import pytest
import torch

import bench
from bench.datasets.lodopab import Lodopab
from bench.datasets.shared.reading import Reader, Wanted
from bench.errors import UsageError
from bench.operators.ct import CT
from bench.problem import Problem

#: Discs: where their centre lies along the array's first and second axis, radius, in metres; value in [0, 1].
DISCS = [(0.05, -0.03, 0.04, 0.8), (-0.06, 0.02, 0.03, 0.5)]
COUNTS = {"train": 130, "validation": 3, "test": 4}


def slice_of(discs, size=362, side=0.26, fine=4):
    """Discs on a grid whose first axis is x and whose second is y, each pixel the mean over its area."""
    at = ((np.arange(size * fine) + 0.5) / (size * fine) - 0.5) * side
    image = sum(
        value * ((at[:, None] - x) ** 2 + (at[None] - y) ** 2 < radius**2) for x, y, radius, value in discs
    )
    return image.reshape(size, fine, size, fine).mean((1, 3)).astype(np.float32)


def sinogram_of(discs, angles=1000, bins=513, half=0.13 * 2**0.5):
    """Their line integrals in metres: s = x cos a + y sin a, a = (i + 1/2) pi / angles, at cell midpoints."""
    a = (np.arange(angles)[:, None] + 0.5) * np.pi / angles
    s = ((np.arange(bins) + 0.5) / bins * 2 - 1) * half
    chords = [
        value * 2 * np.sqrt(np.clip(radius**2 - (s - x * np.cos(a) - y * np.sin(a)) ** 2, 0, None))
        for x, y, radius, value in discs
    ]
    return sum(chords).astype(np.float32)


def write(folder, counts=COUNTS):
    """Like lodopab_tech_ref's create_dataset.py: 128 samples a file, key ``data``, chunks as h5py makes them.

    The last file of observations alone is cut. Three slices a patient; only the first pair of each file is
    drawn.
    """
    truth, measured = slice_of(DISCS), sinogram_of(DISCS)
    for part, count in counts.items():
        for number in range(math.ceil(count / 128)):
            held = min(128, count - 128 * number)
            for name, first, shape in (
                ("ground_truth", truth, (362, 362)),
                ("observation", measured, (1000, 513)),
            ):
                with h5py.File(folder / f"{name}_{part}_{number:03d}.hdf5", "w") as file:
                    whole = (128, *shape)
                    data = file.create_dataset("data", whole, np.float32, chunks=True, maxshape=whole)
                    data[0] = first
                    if name == "observation":
                        data.resize(held, axis=0)
        ids = folder / f"patient_ids_rand_{part}.csv"
        ids.write_text("".join(f"{i // 3 + 1000 * len(part)}\n" for i in range(count)))


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A folder of LoDoPaB-CT with few slices."""
    folder = tmp_path_factory.mktemp("lodopab")
    write(folder)
    return folder


@pytest.fixture
def root(whole, tmp_path):
    """A copy of it that a test may damage."""
    return shutil.copytree(whole, tmp_path / "lodopab")


def test_parts_patients_and_scale(whole):
    """Counts, groups, the slices as they are, and sinograms in image sides: metres over 0.26."""
    splits = Lodopab(str(whole)).load()
    assert {name: len(split) for name, split in splits.named().items()} == COUNTS
    assert len(set(splits.train.groups)) == 44
    assert not set(splits.train.groups) & set(splits.test.groups)
    np.testing.assert_array_equal(splits.train[0], slice_of(DISCS)[None])
    np.testing.assert_array_equal(splits.train[129], np.zeros((1, 362, 362)))
    np.testing.assert_allclose(splits.train.measurement(128), sinogram_of(DISCS)[None] / 0.26, rtol=1e-6)
    together = splits.train.measurements([127, 128, 129, 0])
    assert [bool(y.any()) for y in together] == [False, True, False, True]
    assert splits.reconstructions


def test_taken_slices_are_those(whole):
    """A part of a part reads its own slices, and no other content has its digest."""
    train = Lodopab(str(whole)).load().train
    some = train.taken([128, 5])
    torch.testing.assert_close(some[0], train[128])
    assert some.groups == [train.groups[128], train.groups[5]]
    assert len({train.digest(), some.digest(), train.taken([5, 128]).digest()}) == 3


def test_the_operator_projects_slices_onto_their_sinograms(whole):
    """Within 1 % of the closed form: scale, orientation and place, from the files to the operator."""
    problem = Problem(None, Lodopab(str(whole)).load())
    assert problem.operator.measurement_shape == (1, 1000, 513)
    batch = next(problem.test_batches())
    y = problem.operator.system.forward(batch.x[:1], None)
    assert (y - batch.y[:1]).norm() < 0.01 * batch.y[:1].norm()


def test_fbp_puts_discs_in_their_place(whole):
    """The recorded sinogram, reconstructed: each disc at its place, of its value, and nothing mirrored."""
    splits = Lodopab(str(whole)).load()
    operator = splits.test.operator([0])
    image = operator.inverse(splits.test.measurements([0]))[0, 0].numpy()
    at = ((np.arange(362) + 0.5) / 362 - 0.5) * 0.26
    for x, y, radius, value in DISCS:
        away = np.hypot(at[:, None] - x, at[None] - y)
        assert image[away < 0.8 * radius].mean() == pytest.approx(value, rel=0.01)
        near = np.where(away < 1.5 * radius, image, 0)
        found = (near.sum(1) @ at / near.sum(), near.sum(0) @ at / near.sum())
        assert found == pytest.approx((x, y), abs=0.26 / 362 / 4)
    assert np.corrcoef(image.ravel(), slice_of(DISCS).ravel())[0, 1] > 0.99


@pytest.mark.parametrize("shape", [(64, 64), (63, 63), (64, 49), (49, 64)])
@pytest.mark.parametrize("detectors", [95, 96])
@pytest.mark.parametrize(
    "settings",
    [{}, {"start": 37.0}, {"offset": 2.25}, {"right": 3.0, "up": -2.0}, {"arc": 360.0, "angles": 360}],
)
def test_fbp_of_a_disc_off_the_centre(shape, detectors, settings):
    """Odd and even sizes: a sinogram in closed form becomes its disc, to a tenth of a pixel and 2 %."""
    operator = CT(
        (1, *shape),
        **{"angles": 180, "detectors": detectors, "detector_width": 1.0, "oversample": 1, **settings},
    )
    x, y, radius = 9.5, 6.0, 8.0  # pixels to the right of the axis and above it
    views, _ = operator.measurement_shape[1:]
    start, arc = settings.get("start", 0.0), settings.get("arc", 180.0)
    a = np.radians(start + np.arange(views) * arc / views)[:, None]
    s = np.arange(detectors) - (detectors - 1) / 2 + settings.get("offset", 0.0)
    chords = 2 * np.sqrt(np.clip(radius**2 - (s - x * np.cos(a) - y * np.sin(a)) ** 2, 0, None))
    sinogram = torch.from_numpy(chords / max(shape)).float()[None, None]
    image = operator.inverse(sinogram)[0, 0].numpy()
    columns = np.arange(shape[1]) - (shape[1] - 1) / 2 + settings.get("right", 0.0)
    rows = (shape[0] - 1) / 2 - np.arange(shape[0]) + settings.get("up", 0.0)
    away = np.hypot(columns[None] - x, rows[:, None] - y)
    assert image[away < 0.8 * radius].mean() == pytest.approx(1.0, rel=0.02)
    near = np.where(away < 1.4 * radius, image, 0)
    found = (near.sum(0) @ columns / near.sum(), near.sum(1) @ rows / near.sum())
    assert found == pytest.approx((x, y), abs=0.1)
    fine = (np.arange(8) - 3.5) / 8
    inside = (
        np.hypot((columns[:, None] + fine).ravel()[None] - x, (rows[:, None] - fine).ravel()[:, None] - y)
        < radius
    )
    disc = inside.reshape(shape[0], 8, shape[1], 8).mean((1, 3)).astype(np.float32)
    projected = operator.forward(torch.from_numpy(disc)[None, None])
    assert (projected - sinogram).norm() < 0.05 * sinogram.norm()


def test_all_that_is_typed(whole, tmp_path):
    """Dataset and model: operator, protocol and patients are the data set's."""
    record = bench.run("", "mean", f"lodopab:root={whole}", results=tmp_path / "results")
    assert record.status == "ok", record.error
    assert (record.spec.protocol, record.spec.operator_label, record.data.note) == ("lodopab", "recorded", "")
    assert record.per_unit["group"].tolist() == ["patient 4000"] * 3 + ["patient 4001"]
    assert record.data.measurement_shape == (1, 1000, 513)


def test_the_challenge_is_scored_where_its_truth_is(root):
    """Without lists of patients each slice stands alone; without truth the message says which file lacks."""
    for kind in ("observation", "ground_truth"):
        shutil.copy(root / f"{kind}_test_000.hdf5", root / f"{kind}_challenge_000.hdf5")
    splits = Lodopab(str(root), test="challenge").load()
    assert (len(splits.test), splits.test.groups) == (4, None)
    (root / "ground_truth_challenge_000.hdf5").unlink()
    with pytest.raises(UsageError, match=r"ground_truth_challenge_000.hdf5 is missing"):
        Lodopab(str(root), test="challenge").load()


def cut_short(path):
    """A download that ended early."""
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 3)


def other_layout(path):
    """As another version might have it: fewer angles, doubles."""
    with h5py.File(path, "w") as file:
        file["data"] = np.zeros((4, 60, 513))


def other_key(path):
    """An array of another name."""
    with h5py.File(path, "w") as file:
        file["obs"] = np.zeros(3)


def fewer(path):
    """A slice less than the list of patients says."""
    with h5py.File(path, "w") as file:
        file.create_dataset("data", (3, 1000, 513), np.float32)


@pytest.mark.parametrize(
    ("name", "damage", "said"),
    [
        ("observation_test_000.hdf5", os.unlink, r"observation_test_000.hdf5 is missing\."),
        ("patient_ids_rand_train.csv", os.unlink, "patient_ids_rand_train.csv is missing"),
        ("observation_train_000.hdf5", os.unlink, "observation_train_000.hdf5 is missing"),
        ("observation_test_000.hdf5", cut_short, "observation_test_000.hdf5 is damaged or of another layout"),
        (
            "observation_test_000.hdf5",
            other_layout,
            r"float64 \(4, 60, 513\), float32 \(up to 128, 1000, 513\)",
        ),
        ("observation_test_000.hdf5", other_key, "is damaged or of another layout .*data"),
        ("observation_test_000.hdf5", fewer, "holds 3 slices, 4 of 4 are expected"),
        (
            "patient_ids_rand_test.csv",
            lambda p: p.write_text("a,b\n"),
            "the number of a patient in each line",
        ),
    ],
)
def test_damaged_folders(root, name, damage, said):
    """One message: the file, what was expected, and where to get it."""
    damage(root / name)
    with pytest.raises(UsageError, match=said) as error:
        Lodopab(str(root)).load()
    assert "zenodo.org/records/3384092" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_damaged_chunk_is_named_when_it_is_read(root):
    """Bits that flipped on the disk: HDF5's checksum tells, and the message names the file."""
    path = root / "observation_train_000.hdf5"
    with h5py.File(path, "w") as file:
        whole = (128, 1000, 513)
        file.create_dataset("data", whole, np.float32, chunks=(1, 1000, 513), fletcher32=True)[0] = 1
        chunk = file["data"].id.get_chunk_info(0)
    with path.open("r+b") as file:
        file.seek(chunk.byte_offset + 1000)
        file.write(b"\xff\x00\xff\x00")
    splits = Lodopab(str(root)).load()
    reader = Reader(splits.train, splits.values, (362, 362), recorded=True, name="training image")
    with pytest.raises(
        UsageError, match=r"training image 0 to 0: lodopab: .*observation_train_000.hdf5 is dam"
    ):
        reader.read(Wanted([0], torch.zeros(1, 2)))
    assert reader.read(Wanted([1], torch.zeros(1, 2))).measurements.shape == (1, 1, 1000, 513)


def test_a_value_outside_the_range_is_named(root):
    """A slice in other units is no slice in [0, 1]."""
    with h5py.File(root / "ground_truth_test_000.hdf5", "r+") as file:
        file["data"][2] = 1.5
    splits = Lodopab(str(root)).load()
    with pytest.raises(UsageError, match=r"test image 0 to 3: the value 1.5 lies outside"):
        next(Problem(None, splits).test_batches())


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda p: None, "does not exist; it should hold ground_truth_train_000.hdf5"),
        (lambda p: p.write_text(""), "is no folder"),
        (lambda p: p.mkdir(), "holds nothing"),
        (lambda p: (p.mkdir(), (p / "train.zip").touch()), r"archives that are not unpacked \(train.zip\)"),
        (lambda p: (p.mkdir(), [(p / f"{i}.png").touch() for i in range(9)]), "holds 0.png, 1.png, .*, ..."),
    ],
)
def test_other_folders(tmp_path, make, said):
    """A root that is none, or that holds something else, is told apart."""
    make(tmp_path / "there")
    with pytest.raises(UsageError, match=said):
        Lodopab(str(tmp_path / "there")).load()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_no_permission(root):
    """What may not be read is named."""
    (root / "observation_test_000.hdf5").chmod(0)
    with pytest.raises(UsageError, match="no permission"):
        Lodopab(str(root)).load()
