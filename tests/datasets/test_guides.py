"""The guides to the field's data: every command in them runs on small files in the true layout."""

import importlib.util
import shlex
import shutil
from pathlib import Path

import h5py
import nibabel
import numpy as np
import pytest
from typer.testing import CliRunner

from bench.cli import app

HERE = Path(__file__).parent
DOCS = HERE.parent.parent / "docs"
#: Guide, and where its data are written.
GUIDES = ("ct-lodopab", "mri-fastmri", "denoising-cbsd68", "your-own-files")
COMMANDS = [
    (guide, line.partition("  #")[0].strip())
    for guide in GUIDES
    for line in (DOCS / f"{guide}.md").read_text(encoding="utf-8").splitlines()
    if line.startswith("    ") and line.strip().startswith("bench run")
]


def writer(name):
    """The script of another test that writes a layout."""
    spec = importlib.util.spec_from_file_location(f"writer_{name}", HERE / f"test_{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write_photographs(data):
    """CBSD68 and BSDS500, Urban100 and DIV2K."""
    photographs = writer("photographs")
    names = [f"{1000 + i}" for i in range(500)]
    for part, (first, last) in {"train": (0, 200), "val": (200, 300), "test": (300, 500)}.items():
        folder = data / "BSDS500" / "data" / "images" / part
        photographs.write(folder, [f"{name}.jpg" for name in names[first:last]], sides=(128, 130))
    photographs.write(data / "CBSD68", [f"{name}.png" for name in names[200:268]], sides=(24, 26))
    photographs.write(data / "Urban100_HR", photographs.LAYOUTS[3][2], sides=(24, 26))
    photographs.write(data / "DIV2K_train_HR", [f"{i:04d}.png" for i in range(1, 21)], sides=(130, 132))


def write_own(here):
    """Files of a scanner: HDF5 with patients, an array of 12 bits, volumes, DICOM series."""
    random = np.random.default_rng(0)
    for name in ("slices.h5", "scans.h5"):
        with h5py.File(here / name, "w") as file:
            file["ct"] = random.integers(-1024, 3072, (24, 16, 16)).astype(np.int16)
            file["patient"] = [who for who in (b"anna", b"ben", b"cleo", b"dora") for _ in range(6)]
    np.save(here / "scans.npy", random.integers(0, 4096, (12, 16, 16)).astype(np.uint16))
    (here / "volumes").mkdir()
    for number in range(3):
        image = nibabel.Nifti1Image(random.random((128, 130, 2), np.float32), np.eye(4))
        nibabel.save(image, here / "volumes" / f"{number}.nii.gz")
    ldct = writer("ldct")
    (here / "dicom").mkdir()
    for number in range(4):
        ldct.write(here / "dicom" / f"{number}.dcm", random.integers(-500, 500, (16, 16)))
    (here / "my_scans.py").write_text(SCANS)


#: A dataset of one's own that brings measurements and their operators.
SCANS = """
import h5py, torch
from bench.datasets import Dataset, Split, Splits
from bench.operators.ct import CT
from bench.operators.shared.items import each

SCANNERS = [CT((1, 16, 16), angles=12, detectors=25, oversample=1, offset=aside) for aside in (0.0, 1.0)]

class Slices(Split):
    def __init__(self, path, first, count):
        self.path, self.first, self.count = path, first, count
    def __len__(self):
        return self.count
    def __getitem__(self, index):
        with h5py.File(self.path) as file:
            return torch.from_numpy(file["ct"][self.first + index]).float()[None] / 4096 + 0.25
    def measurement(self, index):
        return self.operator([index]).forward(self[index][None])[0]
    def operator(self, indices):
        return each([SCANNERS[index % 2] for index in indices])

class Scans(Dataset):
    '''Slices of a scanner whose detector moved.'''
    brings_operator = True
    def __init__(self, path: str):
        self.path = path
    def load(self):
        return Splits(Slices(self.path, 0, 12), Slices(self.path, 18, 6), Slices(self.path, 12, 6))
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A folder in place of the guides' /data, and the working folder beside it."""
    data = tmp_path_factory.mktemp("guides") / "data"
    (data / "lodopab").mkdir(parents=True)
    writer("lodopab").write(data / "lodopab", {"train": 3, "validation": 1, "test": 1})
    fastmri, calgary = writer("fastmri"), writer("cc359")
    fastmri.write(data / "singlecoil_train", 6, 1)
    fastmri.write(data / "singlecoil_val", 2, 501)
    fastmri.write(data / "multicoil_train", 4, 1, 3)
    fastmri.write(data / "multicoil_val", 2, 501, 3)
    calgary.SLICES = 102
    calgary.write(data / "calgary" / "Train", 2, 1)
    calgary.write(data / "calgary" / "Val", 1, 101)
    calgary.write_patterns(data / "calgary" / "poisson_sampling")
    for number in (1, 2, 3931, 4531):
        writer("detect2d").write(data / "2detect", number, mode=1)
    write_photographs(data)
    write_own(data.parent)
    return data


@pytest.mark.parametrize(("guide", "command"), COMMANDS)
def test_every_command(data, monkeypatch, guide, command):
    """Names, parameters and options as they stand there; the files are read and the operator is made."""
    if "ldct" in command:
        pytest.skip("its patients are those of a list of 50; test_ldct.py runs it with a list of its own")
    monkeypatch.chdir(data.parent)
    words = shlex.split(command.replace("/data", str(data)))[1:]
    shown = CliRunner().invoke(app, [*words, "--dry-run"], catch_exceptions=False)
    assert shown.exit_code == 0, shown.output
    assert not shutil.os.path.exists(data.parent / "results" / "runs")


def test_there_are_commands():
    """The guides show what to type."""
    assert {guide for guide, _ in COMMANDS} == set(GUIDES)
    assert len(COMMANDS) > 15
