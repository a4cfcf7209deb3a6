"""Mayo's low-dose CT as The Cancer Imaging Archive lays it out, in DICOM files written here."""

import shutil

import numpy as np
import pydicom
import pytest
import torch
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

import bench
from bench.datasets.ldct import Ldct
from bench.errors import UsageError

#: A patient of each part of ldct-benchmark's info.yml, abdomen and chest.
PATIENTS = {"train": ("L081", "C095"), "validation": ("L033", "C202"), "test": ("L241", "C121")}
OWN = 'train = ["L1"]\nvalidation = ["L2"]\ntest = ["L3"]\n'


def write(path, hounsfield):
    """One slice as scanners write it: unsigned, an intercept of -1024."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = generate_uid(), generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file = pydicom.Dataset()
    file.file_meta = meta
    file.Rows, file.Columns = hounsfield.shape
    file.SamplesPerPixel, file.PhotometricInterpretation = 1, "MONOCHROME2"
    file.BitsAllocated, file.BitsStored, file.HighBit, file.PixelRepresentation = 16, 16, 15, 0
    file.RescaleSlope, file.RescaleIntercept = 1, -1024
    file.PixelData = (hounsfield + 1024).astype(np.uint16).tobytes()
    file.save_as(path, enforce_file_format=True)


def level(patient, number, dose):
    """Hounsfield units of a slice: another in each, a little off at low dose."""
    return int(patient[1:]) % 50 + 10 * number + (3 if dose == "Low" else 0)


def write_patient(root, patient, slices=2):
    """Series of low and full dose under the folder of a study."""
    for dose, number in (("Low", 31092), ("Full", 70970)):
        series = root / patient / "12-23-2021-NA-NA-50920" / f"1.000000-{dose} Dose Images-{number}"
        series.mkdir(parents=True)
        for k in range(1, slices + 1):
            write(series / f"1-{k:03d}.dcm", np.full((512, 512), level(patient, k, dose)))


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Few patients with two slices each."""
    root = tmp_path_factory.mktemp("ldct")
    for patient in [p for patients in PATIENTS.values() for p in patients] + ["L999"]:
        write_patient(root / "LDCT-and-Projection-data", patient)
    return root


@pytest.fixture
def own(whole, tmp_path):
    """A file that names the patients there are, and nobody else."""
    path = tmp_path / "own.toml"
    path.write_text("".join(f"{part} = {list(patients)}\n" for part, patients in PATIENTS.items()))
    return str(path)


def load(root, region="abdomen", **params):
    """The splits of a folder."""
    return Ldct(str(root), region, **params).load()


def test_patients_and_windows(whole, own):
    """The region's patients alone; its window as ldct-benchmark applies it: (v - 49.5) / 399 + 0.5."""
    splits = load(whole, patients=own)
    assert splits.test.groups == ["L241", "L241"]
    assert [split.groups[0] for split in splits.named().values()] == ["L081", "L033", "L241"]
    for number in (1, 2):
        for dose, value in (("Full", splits.test[number - 1]), ("Low", splits.test.measurement(number - 1))):
            expected = (level("L241", number, dose) - 49.5) / 399 + 0.5
            torch.testing.assert_close(value, torch.full((1, 512, 512), expected))
    chest = load(whole, "chest", patients=own).test[0]
    torch.testing.assert_close(chest, torch.full((1, 512, 512), min((31 + 600.5) / 1499 + 0.5, 1.0)))


def test_without_a_window(whole, own):
    """Hounsfield units, the range of twelve bits."""
    splits = load(whole, patients=own, window=False)
    assert (splits.value_range, splits.unit) == ((-1024.0, 3071.0), "HU")
    assert float(splits.test[0][0, 0, 0]) == level("L241", 1, "Full")


def test_the_benchmarks_patients(whole):
    """Fifty a region: 35, 10 and 5; the first that is not there is named."""
    with pytest.raises(UsageError, match=r"L248 is missing.*doi.org/10.7937/9NPB-2637"):
        load(whole)


def test_all_that_is_typed(whole, own, tmp_path):
    """Dataset and model: what a network is given is the low-dose slice, scored under the window."""
    record = bench.run(
        "", "inverse", f"ldct:root={whole},region=abdomen,patients={own}", results=tmp_path / "r"
    )
    assert record.status == "ok", record.error
    assert (record.spec.protocol, record.data.note) == ("ldct", "")
    assert record.per_unit["group"].tolist() == ["L241", "L241"]
    assert record.scores["psnr"] == pytest.approx(20 * np.log10(399 / 3), abs=1e-3)


def drop_slice(patient):
    """A slice that was not downloaded."""
    next(patient.glob("*/*Full*/1-002.dcm")).unlink()


def drop_series(patient):
    """A series that was not downloaded."""
    shutil.rmtree(next(patient.glob("*/*Low*")))


def small(patient):
    """A slice of another size."""
    for path in patient.glob("*/*Full*/1-001.dcm"):
        write(path, np.zeros((256, 256)))


def cut_short(patient):
    """A download that ended early."""
    for path in patient.glob("*/*Full*/1-001.dcm"):
        path.write_bytes(path.read_bytes()[:1000])


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (shutil.rmtree, "L241 is missing"),
        (drop_slice, "has slice 2 at one dose alone: 2 low, 1 full"),
        (drop_series, "holds 0 series of Low Dose Images, one is expected"),
        (small, r"1-001.dcm is a slice of \(256, 256\), \(512, 512\) is expected"),
        (cut_short, "1-001.dcm is damaged or of another layout"),
    ],
)
def test_damaged_folders(whole, own, tmp_path, damage, said):
    """One message: the file, what was expected, and where to get it."""
    root = shutil.copytree(whole, tmp_path / "ldct")
    damage(root / "LDCT-and-Projection-data" / "L241")
    with pytest.raises(UsageError, match=said) as error:
        load(root, patients=own).test.read([0])
    assert "doi.org/10.7937" in str(error.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("train = [", "cannot be read as TOML"),
        ('train = ["L1"]\n', "must hold the lists train, validation and test"),
        (OWN.replace('"L3"', "3"), "must hold the lists"),
        (OWN.replace("L3", "../L3"), "must hold the lists"),
        (OWN.replace("L3", "L1"), "names L1 in two parts"),
        (OWN.replace("L3", "C3"), "names no patient of test with the letter L"),
    ],
)
def test_lists_of_patients(whole, tmp_path, text, said):
    """A patient in two parts, names that are paths, parts without a patient."""
    path = tmp_path / "own.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=said):
        load(whole, patients=str(path))


def test_another_folder(tmp_path):
    """A folder without DICOM files."""
    (tmp_path / "a.png").touch()
    with pytest.raises(UsageError, match=r"holds a.png; it should hold folders of patients"):
        load(tmp_path)
