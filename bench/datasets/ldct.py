"""Low-dose CT of the Mayo Clinic: slices at a part of the dose, and the same at full dose, in DICOM."""

import hashlib
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from bench.datasets import Dataset, Split, Splits
from bench.datasets.shared import files
from bench.datasets.shared.download import Part
from bench.datasets.shared.layout import Layout
from bench.errors import UsageError
from bench.operators import Operator
from bench.operators.shared.chain import Identity

#: Patients of each part, by the first letter of their name.
PARTS = Path(__file__).parent / "ldct_patients.toml"
#: First letter of a patient's name, centre and width of the window in Hounsfield units.
REGIONS = {"chest": ("C", -600, 1500), "abdomen": ("L", 50, 400), "neuro": ("N", 40, 80)}
#: Side of a slice.
SIDE = 512
LAYOUT = Layout(
    "ldct",
    "LDCT-and-Projection-data",
    "folders of patients such as L241/12-23-2021-NA-NA-50920/1.000000-Low Dose Images-31092 with 1-001.dcm",
    "https://doi.org/10.7937/9NPB-2637 (The Cancer Imaging Archive)",
)


class Ldct(Dataset):
    """Mayo Clinic's low-dose CT: slices at a part of the dose, with the same slices at full dose.

    The measurement is the low-dose slice, the image the full-dose one, both under the region's window:
    ``(HU - (centre - 0.5)) / (width - 1) + 0.5``, cut to [0, 1], as ldct-benchmark scores them (protocol
    ``ldct``). Patients are the groups, and those of its ``info.yml`` the parts.

    Args:
        root: folder of the patients, or one above it.
        region: ``chest``, ``abdomen`` or ``neuro``; other patients are left alone.
        patients: a ``.toml`` file with lists ``train``, ``validation`` and ``test`` of patients of one's own.
        window: whether images are seen through the region's window; without it, in HU from -1024 to 3071.

    Raises:
        UsageError: a file is missing, damaged, or of another layout.

    References:
        McCollough et al.: Low Dose CT Image and Projection Data. The Cancer Imaging Archive (2020).
        Eulig, Ommer, Kachelriess: Benchmarking deep learning-based low-dose CT image denoising algorithms.
        Medical Physics 51 (2024).
        Home: https://doi.org/10.7937/9NPB-2637

    Example:
        bench run -d ldct:root=/data/LDCT-and-Projection-data,region=abdomen -m unet
    """

    protocol = "ldct"
    brings_operator = True

    def __init__(
        self,
        root: str,
        region: Literal["chest", "abdomen", "neuro"],
        patients: str | None = None,
        window: bool = True,
    ):
        self.root, self.region = Path(root).expanduser(), region
        self.patients = PARTS if patients is None else Path(patients).expanduser()
        self.window = REGIONS[region][1:] if window else None

    def parts(self) -> list[Part]:
        return [Part("LDCT-and-Projection-data", self.root, LAYOUT.source)]

    def load(self) -> Splits:
        LAYOUT.check_root(self.root, "**/*.dcm")
        letter = REGIONS[self.region][0]
        chosen = {
            name: [patient for patient in patients if patient.startswith(letter)]
            for name, patients in _parts(self.patients).items()
        }
        for name, patients in chosen.items():
            if not patients:
                raise UsageError(f"ldct: {self.patients} names no patient of {name} with the letter {letter}")
        parts = {
            name: Slices([pair for patient in patients for pair in _pairs(self.root, patient)], self.window)
            for name, patients in chosen.items()
        }
        values: dict[str, Any] = {} if self.window else {"value_range": (-1024.0, 3071.0), "unit": "HU"}
        return Splits(parts["train"], parts["test"], parts["validation"], reconstructions=True, **values)


class Pair(NamedTuple):
    """Files of one slice."""

    patient: str
    low: Path
    full: Path


class Slices(Split):
    """Full-dose slices and their low-dose measurements."""

    sizes = (SIDE, SIDE)

    def __init__(self, pairs: Sequence[Pair], window: tuple[int, int] | None):
        self.pairs, self.window = list(pairs), window
        self.groups = [pair.patient for pair in self.pairs]

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> Tensor:
        return self._slice(self.pairs[index].full)

    def measurement(self, index: int) -> Tensor:
        return self._slice(self.pairs[index].low)

    def operator(self, indices: Sequence[int]) -> Operator:
        return Identity((1, SIDE, SIDE))

    def taken(self, indices: Sequence[int]) -> "Slices":
        return Slices([self.pairs[index] for index in indices], self.window)

    def digest(self) -> str:
        paths = [path for pair in self.pairs for path in pair[1:]]
        content = f"{files.digest(paths)} {self.groups} {self.window}"
        return hashlib.sha256(content.encode()).hexdigest()

    def _slice(self, path: Path) -> Tensor:
        hounsfield = _hounsfield(path)
        if self.window is None:
            return torch.from_numpy(hounsfield)[None]
        centre, width = self.window
        shares = (hounsfield - (centre - 0.5)) / (width - 1) + 0.5
        return torch.from_numpy(shares.clip(0, 1))[None]


def _hounsfield(path: Path) -> Any:
    """A slice in Hounsfield units, rescaled as its file says, float32."""
    with LAYOUT.naming(path):
        import pydicom

        file = pydicom.dcmread(path)
        numbers = file.pixel_array.astype(np.float32)
        if numbers.shape != (SIDE, SIDE):
            raise LAYOUT.error(path, f"is a slice of {numbers.shape}, ({SIDE}, {SIDE}) is expected")
        scaled: Any = numbers * float(file.RescaleSlope) + float(file.RescaleIntercept)
    return scaled.astype(np.float32)


def _parts(path: Path) -> Mapping[str, list[str]]:
    """The patients of each part."""
    try:
        said = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"ldct: {path} cannot be read as TOML: {error}") from error
    wanted = ("train", "validation", "test")
    if set(said) != set(wanted) or not all(_names(said[name]) for name in wanted):
        raise UsageError(
            f"ldct: {path} must hold the lists train, validation and test of patients, as ['L241']"
        )
    twice = [p for i, name in enumerate(wanted) for p in said[name] for o in wanted[:i] if p in said[o]]
    if twice:
        raise UsageError(f"ldct: {path} names {twice[0]} in two parts; a patient belongs to one")
    return {name: said[name] for name in wanted}


def _names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) and name.isalnum() for name in value)


def _pairs(root: Path, patient: str) -> list[Pair]:
    """Low-dose and full-dose files of a patient, slice by slice."""
    folder = next((f for f in (root / patient, *root.glob(f"*/{patient}")) if f.is_dir()), None)
    if folder is None:
        raise LAYOUT.error(root / patient, "is missing")
    low, full = (_series(folder, kind) for kind in ("Low Dose Images", "Full Dose Images"))
    if list(low) != list(full):
        lacking = sorted(set(low) ^ set(full))[0]
        raise LAYOUT.error(folder, f"has slice {lacking} at one dose alone: {len(low)} low, {len(full)} full")
    return [Pair(patient, low[number], full[number]) for number in low]


def _series(folder: Path, kind: str) -> dict[int, Path]:
    """The files of one series by the number of their slice: ``1-001.dcm`` is the first."""
    series = sorted(folder.glob(f"*/*{kind}*"))
    if len(series) != 1:
        raise LAYOUT.error(folder, f"holds {len(series)} series of {kind}, one is expected")
    found = {path: path.stem.rpartition("-")[2] for path in series[0].glob("*.dcm")}
    if not found or not all(number.isdigit() for number in found.values()):
        raise LAYOUT.error(series[0], "holds no slices 1-001.dcm, 1-002.dcm and so on")
    return {int(number): path for path, number in sorted(found.items(), key=lambda item: int(item[1]))}
