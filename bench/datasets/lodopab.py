"""LoDoPaB-CT: low-dose parallel-beam sinograms and the slices that they were made from."""

import hashlib
import os
from collections.abc import Sequence
from functools import cache, lru_cache
from itertools import groupby
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from bench.datasets import Dataset, Split, Splits
from bench.datasets.shared import files
from bench.datasets.shared.download import Part
from bench.datasets.shared.layout import Layout
from bench.datasets.shared.rows import Known, Rows
from bench.operators import Operator
from bench.operators.ct import CT
from bench.operators.noise import Noise
from bench.operators.shared.chain import Chain

#: Slices in a file; the last one of a part holds what is left.
IN_A_FILE = 128
#: Of one slice and of one sinogram (angles, bins).
SHAPES = {"ground_truth": (362, 362), "observation": (1000, 513)}
#: Side of the image in metres: observations are line integrals in metres, ``ct`` measures in image sides.
SIDE = 0.26
LAYOUT = Layout(
    "lodopab",
    "LoDoPaB-CT",
    "ground_truth_train_000.hdf5, observation_train_000.hdf5, patient_ids_rand_train.csv and the like",
    "https://zenodo.org/records/3384092 (115 GB); unpack its zip files into one folder",
)


class Lodopab(Dataset):
    """LoDoPaB-CT: 42,895 slices of 752 patients with low-dose sinograms (1000 angles, 4096 photons).

    Training, validation and test part are those of the data set, 632, 60 and 60 patients, who are its
    groups. Images are 362x362 in [0, 1], where 1 is 81.35858 / m; sinograms are divided by the image's side,
    0.26 m, as ``ct`` measures. Its operator is that parallel beam with 4096 photons, its inverse FBP under a
    Hann window up to 0.641 of the highest frequency, its protocol that of DIVal (``lodopab``).

    With ``--operator`` measurements are simulated from the slices instead, and labelled so: they are
    reconstructions.

    Args:
        root: folder of the ``.hdf5`` and ``.csv`` files.
        test: ``test``, or ``challenge``: the 3,678 slices of the challenge (Zenodo 3874937) are scored in
            their place, where ``ground_truth_challenge_*.hdf5`` lie beside the observations.

    Raises:
        UsageError: a file is missing, damaged, or of another layout.

    References:
        Leuschner, Schmidt, Otero Baguer, Maass: LoDoPaB-CT, a benchmark dataset for low-dose computed
        tomography reconstruction. Scientific Data 8, 109 (2021).
        Home: https://zenodo.org/records/3384092

    Example:
        bench run -d lodopab:root=/data/lodopab -m unet -m learned_primal_dual -m tv
    """

    protocol = "lodopab"
    brings_operator = True

    def __init__(self, root: str, test: Literal["test", "challenge"] = "test"):
        self.root, self.test = Path(root).expanduser(), test

    def parts(self) -> list[Part]:
        return [Part("LoDoPaB-CT, 114.7 GB unpacked", self.root, LAYOUT.source)]

    def load(self) -> Splits:
        LAYOUT.check_root(self.root, "*_*.hdf5")
        train, validation, test = (_part(self.root, name) for name in ("train", "validation", self.test))
        return Splits(train, test, validation, unit="81.35858 / m", reconstructions=True)


class Slices(Split):
    """Slices of one part and their sinograms, by their numbers.

    Args:
        root: folder of the files.
        part: ``train``, ``validation``, ``test`` or ``challenge``.
        numbers: of the slices.
        groups: patients.
    """

    sizes = SHAPES["ground_truth"]

    def __init__(self, root: Path, part: str, numbers: Sequence[int], groups: Sequence[str] | None):
        self.root, self.part, self.numbers, self.groups = root, part, list(numbers), groups

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, index: int) -> Tensor:
        return self.read([index])[0]

    def read(self, indices: Sequence[int]) -> Tensor:
        return self._read("ground_truth", indices)

    def measurement(self, index: int) -> Tensor:
        return self.measurements([index])[0]

    def measurements(self, indices: Sequence[int]) -> Tensor:
        return self._read("observation", indices, SIDE)

    def operator(self, indices: Sequence[int]) -> Operator:
        return scanner()

    def taken(self, indices: Sequence[int]) -> "Slices":
        groups = None if self.groups is None else [self.groups[i] for i in indices]
        return Slices(self.root, self.part, [self.numbers[i] for i in indices], groups)

    def digest(self) -> str:
        held = sorted({number // IN_A_FILE for number in self.numbers})
        paths = [_path(self.root, kind, self.part, number) for kind in SHAPES for number in held]
        content = f"{files.digest(paths)} {self.part} {self.numbers} {self.groups}"
        return hashlib.sha256(content.encode()).hexdigest()

    def _read(self, kind: str, indices: Sequence[int], unit: float = 1.0) -> Tensor:
        """Images ``(B, 1, ...)``, divided by ``unit``."""
        found, place = np.empty((len(indices), *SHAPES[kind]), np.float32), 0
        for file, asked in groupby((self.numbers[index] for index in indices), lambda n: n // IN_A_FILE):
            rows = [number % IN_A_FILE for number in asked]
            path = _path(self.root, kind, self.part, file)
            with LAYOUT.naming(path):
                _opened(path).read(rows, found[place : place + len(rows)], 1 / unit)
            place += len(rows)
        return torch.from_numpy(found)[:, None]


@lru_cache(maxsize=1)
def scanner() -> Operator:
    """The operator of all slices: ODL's parallel beam, whose first coordinate is that of the array's rows.

    View i is at (i + 1/2) pi / 1000 from the direction in which the rows are numbered, downwards; ``ct``
    counts from that of the columns, which is 90 degrees further.
    """
    rows, columns = SHAPES["ground_truth"]
    angles, detectors = SHAPES["observation"]
    start = 180 / angles / 2 - 90
    settings: dict[str, Any] = {"filter": "hann", "cutoff": 0.641, "oversample": 1, "sigma": 0.0}
    ct = CT((1, rows, columns), angles=angles, detectors=detectors, start=start, **settings)
    return Chain([ct, Noise(ct.measurement_shape, photons=4096, previous=ct)])


def _part(root: Path, part: str) -> Slices:
    """All slices of a part, whose number the list of patients tells."""
    groups = None if part == "challenge" else _patients(root / f"patient_ids_rand_{part}.csv")
    count = _count(root, part) if groups is None else len(groups)
    last = (count - 1) // IN_A_FILE
    for kind in SHAPES:
        paths = [_path(root, kind, part, number) for number in range(last + 1)]
        LAYOUT.check_files(paths)
        with LAYOUT.naming(paths[-1]):
            held = len(_opened(paths[-1]))
        expected = count - last * IN_A_FILE
        # The authors' script cuts the last file of observations only: its true slices end in empty ones.
        if held != expected and not (kind == "ground_truth" and held == IN_A_FILE):
            raise LAYOUT.error(paths[-1], f"holds {held} slices, {expected} of {count:,} are expected")
    return Slices(root, part, range(count), groups)


def _patients(path: Path) -> list[str]:
    """The patient of each slice: one number a line."""
    LAYOUT.check_files([path])
    with LAYOUT.naming(path):
        lines = path.read_text(encoding="utf-8").split()
    if not lines or not all(line.isdigit() for line in lines):
        raise LAYOUT.error(path, "must hold the number of a patient in each line")
    return [f"patient {line}" for line in lines]


def _count(root: Path, part: str) -> int:
    """Slices of a part without a list of patients: as many as there are observations."""
    there = sorted(root.glob(f"observation_{part}_*.hdf5"))
    if not there:
        raise LAYOUT.error(_path(root, "observation", part, 0), "is missing")
    with LAYOUT.naming(there[-1]):
        return (len(there) - 1) * IN_A_FILE + len(_opened(there[-1]))


def _path(root: Path, kind: str, part: str, number: int) -> Path:
    return root / f"{kind}_{part}_{number:03d}.hdf5"


def _opened(path: Path) -> Rows:
    """The slices of a file; handles are a process's own: one that was open before a fork must not be read."""
    return _kept(path, os.getpid(), path.stat().st_mtime_ns)


@lru_cache(maxsize=256)
def _kept(path: Path, process: int, changed: int) -> Rows:
    import h5py

    array = h5py.File(path, "r", locking=False)["data"]
    kind = "observation" if path.name.startswith("observation") else "ground_truth"
    if array.shape[1:] != SHAPES[kind] or array.dtype != np.float32 or not 0 < len(array) <= IN_A_FILE:
        expected = f"float32 (up to {IN_A_FILE}, {SHAPES[kind][0]}, {SHAPES[kind][1]})"
        raise LAYOUT.error(path, f"holds {array.dtype} {array.shape}, {expected} is expected")
    return Rows(array, _known(path, changed))


@cache
def _known(path: Path, changed: int) -> Known:
    """Where a file's chunks lie; more files have been read than can be open."""
    return {}
