"""2DeteCT's files, written here as its authors' scripts describe them, with fan-beam data in closed form."""

import os
import shutil

import numpy as np
import pytest
import tifffile
import torch

import bench
from bench.datasets.detect2d import Detect2d, scanner
from bench.errors import UsageError

#: Discs: x to the right and y upwards of the axis, radius, in mm; attenuation per mm.
DISCS = [(18.0, 9.0, 12.0, 0.05), (-20.0, 14.0, 8.0, 0.03)]
SOD, SDD, PITCH = 431.019989, 529.000488, 0.0748
PIXEL = 956 * 2 * PITCH * SOD / SDD / 1024


def projections(aside=0):
    """Line integrals of every raw pixel: source at (sin t, -cos t), detector along (cos t, sin t)."""
    t = np.linspace(0, 2 * np.pi, 3601)[:, None]
    u = (np.arange(1912) - 955.5 - aside) * PITCH
    across, along = u / np.hypot(u, SDD), SDD / np.hypot(u, SDD)
    total = np.zeros((3601, 1912))
    for x, y, radius, value in DISCS:
        # Of the disc's centre from the source: along the detector, and towards it.
        side = x * np.cos(t) + y * np.sin(t)
        ahead = SOD - x * np.sin(t) + y * np.cos(t)
        total += value * 2 * np.sqrt(np.clip(radius**2 - (side * along - ahead * across) ** 2, 0, None))
    return total


def reconstruction():
    """Rows and columns 511 to 1534 of 2048x2048 pixels, y upwards; attenuation per pixel."""
    at = (np.arange(2048) - 1023.5) * PIXEL
    inside = sum(
        value * ((at[None] - x) ** 2 + (-at[:, None] - y) ** 2 < radius**2) for x, y, radius, value in DISCS
    )
    return (inside[511:1535, 511:1535] * PIXEL).astype(np.float32)


def write(root, number, mode=2):
    """One slice in its two downloads; the detector of slices up to 2830 stood aside by a binned pixel."""
    rng = np.random.default_rng(number)
    dark, flat = rng.uniform(90, 110, (1, 1912)), rng.uniform(35_000, 45_000, (1, 1912))
    aside = 2 if number <= 2830 or 5521 <= number <= 5870 else 0
    counts = dark.round() + (flat.round() - dark.round()) * np.exp(-projections(aside))
    raw = root / "2DeteCT_slices1-1000" / f"slice{number:05d}" / f"mode{mode}"
    made = root / "2DeteCT_slices1-1000_RecSeg" / f"slice{number:05d}" / "mode2"
    raw.mkdir(parents=True)
    made.mkdir(parents=True, exist_ok=True)
    held = {"sinogram": counts, "dark": dark, "flat1": flat.round() + 50, "flat2": flat.round() - 50}
    for name, numbers in held.items():
        tifffile.imwrite(raw / f"{name}.tif", numbers.round().astype(np.uint16))
    tifffile.imwrite(made / "reconstruction.tif", reconstruction())
    tifffile.imwrite(made / "segmentation.tif", np.zeros((1024, 1024), np.uint8))


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Slices of each part, before and after the detector was moved."""
    root = tmp_path_factory.mktemp("2detect")
    for number in (1, 2830, 2831, 3931, 4531):
        write(root, number)
    return root


@pytest.fixture
def root(whole, tmp_path):
    """A copy of it that a test may damage."""
    return shutil.copytree(whole, tmp_path / "2detect")


def test_parts_and_scale(whole):
    """LION's split by the number of a slice; images and projections in one unit."""
    splits = Detect2d(str(whole), every=40).load()
    assert {name: split.numbers for name, split in splits.named().items()} == {
        "train": [1, 2830, 2831],
        "validation": [3931],
        "test": [4531],
    }
    np.testing.assert_allclose(splits.test[0][0], reconstruction() / 0.05, rtol=1e-6)
    assert splits.test.measurement(0).shape == (1, 90, 956)
    assert splits.train.groups == ["ten 0", "ten 282", "ten 283"]


@pytest.mark.parametrize("index", [0, 1, 2])
def test_counts_become_line_integrals(whole, index):
    """Dark and flat fields, pairs of pixels, where the detector stood: within 1 % of the closed form."""
    y = Detect2d(str(whole), every=40).load().train.measurement(index)[0].numpy()
    fine = np.exp(-projections(aside=(2, 2, 0)[index])[:3600:40])
    expected = -np.log((fine[:, 0::2] + fine[:, 1::2]) / 2) / 1024 / 0.05
    assert np.abs(y - expected).max() < 0.01 * expected.max()


def test_the_detector_that_was_moved_is_the_operators(whole):
    """One batch of slices from before and after: each is projected onto its own measurement, and no other."""
    train = Detect2d(str(whole), every=120).load().train
    operator, y, x = train.operator([1, 2, 0]), train.measurements([1, 2, 0]), train.read([1, 2, 0])
    off = ((operator.forward(x, None) - y).flatten(1).norm(dim=1) / y.flatten(1).norm(dim=1)).tolist()
    assert max(off) < 0.02
    assert (train.operator([2]).forward(x[:1]) - y[:1]).norm() > 2 * max(off) * y[:1].norm()
    assert train.operator([0, 1]) is train.operator([0])


def test_the_operator_projects_the_reconstruction_onto_the_measurement(whole):
    """Place, orientation and scale of the fan beam: within 2 % of the closed form."""
    splits = Detect2d(str(whole), every=120).load()
    y, operator = splits.test.measurements([0]), splits.test.operator([0])
    projected = operator.forward(splits.test.read([0]))
    assert (projected - y).norm() < 0.02 * y.norm()
    mirrored = operator.forward(splits.test.read([0]).flip(-1))
    assert (mirrored - y).norm() > 0.5 * y.norm()


def test_fbp_puts_discs_in_their_place(whole):
    """From raw counts to the image: value and centre of each disc, rows downwards."""
    splits = Detect2d(str(whole), every=40).load()
    image = splits.train.operator([0]).inverse(splits.train.measurements([0]))[0, 0].numpy()
    columns = (np.arange(1024) + 511 - 1023.5) * PIXEL
    for x, y, radius, value in DISCS:
        away = np.hypot(columns[None] - x, -columns[:, None] - y)
        assert image[away < 0.8 * radius].mean() == pytest.approx(value * PIXEL / 0.05, rel=0.02)
        near = np.where(away < 1.2 * radius, image, 0)
        found = (near.sum(0) @ columns / near.sum(), -(near.sum(1) @ columns) / near.sum())
        assert found == pytest.approx((x, y), abs=PIXEL)


def test_sparse_and_limited_views(whole):
    """Every tenth view of a turn; the first sixty degrees."""
    assert Detect2d(str(whole), every=10).views == range(0, 3600, 10)
    limited = Detect2d(str(whole), first=600)
    assert scanner(limited.views).measurement_shape == (1, 600, 956)
    assert scanner(limited.views).arc == pytest.approx(np.radians(60))
    dense = Detect2d(str(whole), every=20).load().test.measurement(0)
    sparse = Detect2d(str(whole), every=40).load().test.measurement(0)
    torch.testing.assert_close(dense[:, ::2], sparse)


def test_objects_are_groups(root):
    """With LION's list of slices, all of one object belong together."""
    head = "slice_identifier,sample_index,n_slices_expected,n_slices_real,first_slice,last_slice,mix,detector"
    rows = [
        f"slice{number:05d},{sample},50,50,1,50,1,1" for number, sample in ((1, 1), (2830, 70), (2831, 70))
    ]
    (root / "default_data_records.csv").write_text("\n".join([head, *rows]) + "\n")
    assert Detect2d(str(root)).load().train.groups == ["object 1", "object 70", "object 70"]


def test_all_that_is_typed(whole, tmp_path):
    """Dataset and model: operator and protocol are the data set's."""
    record = bench.run("", "mean", f"detect2d:root={whole},every=900", results=tmp_path / "results")
    assert record.status == "ok", record.error
    assert (record.spec.protocol, record.spec.operator_label, record.data.note) == ("lodopab", "recorded", "")


def narrow(path):
    """A detector of another width."""
    tifffile.imwrite(path, np.zeros((3601, 956), np.uint16))


def bright(path):
    """Attenuations of something denser."""
    tifffile.imwrite(path, np.full((1024, 1024), 0.2, np.float32))


def cut_short(path):
    """A download that ended early."""
    path.write_bytes(path.read_bytes()[:100])


RAW, MADE = "2DeteCT_slices1-1000/slice04531/mode2", "2DeteCT_slices1-1000_RecSeg/slice04531/mode2"


@pytest.mark.parametrize(
    ("name", "damage", "said"),
    [
        (f"{RAW}/flat2.tif", os.unlink, r"flat2.tif is missing\."),
        (f"{MADE}/reconstruction.tif", os.unlink, r"reconstruction.tif is missing"),
        (
            f"{RAW}/sinogram.tif",
            narrow,
            r"sinogram.tif holds numbers \(3601, 956\), \(3601, 1912\) is expected",
        ),
        (f"{RAW}/dark.tif", narrow, r"dark.tif holds numbers \(3601, 956\), \(..., 1912\) is expected"),
        (f"{RAW}/sinogram.tif", cut_short, "sinogram.tif is damaged or of another layout"),
        (f"{MADE}/reconstruction.tif", bright, "from 0.2 to 0.2 a pixel, not 0 to 0.05.*highest="),
    ],
)
def test_damaged_folders(root, name, damage, said):
    """One message: the file, what was expected, and where to get it."""
    damage(root / name)
    with pytest.raises(UsageError, match=said) as error:  # noqa: PT012
        test = Detect2d(str(root)).load().test
        test.measurement(0)
        test[0]
    assert "zenodo.org/records/8014757" in str(error.value)


def test_a_mode_that_was_not_downloaded(root):
    """Only mode 2 lies there."""
    with pytest.raises(UsageError, match=r"mode1/sinogram.tif is missing"):
        Detect2d(str(root), mode=1).load()


def test_a_part_without_slices(root):
    """Downloads of the first slices alone have no test part."""
    for folder in ("2DeteCT_slices1-1000", "2DeteCT_slices1-1000_RecSeg"):
        shutil.rmtree(root / folder / "slice04531")
    with pytest.raises(UsageError, match="slice04531 is missing, as is every slice of the test part"):
        Detect2d(str(root)).load()


@pytest.mark.parametrize(
    ("params", "said"),
    [({"every": 0}, "every must lie"), ({"first": 0}, "first must lie"), ({"highest": 0.0}, "positive")],
)
def test_bad_values(tmp_path, params, said):
    """Settings that make no scanner."""
    with pytest.raises(ValueError, match=said):
        Detect2d(str(tmp_path), **params)
