"""2DeteCT: raw fan-beam projections of real objects, with dark and flat fields."""

import csv
import hashlib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import tifffile
import torch
from torch import Tensor

from bench.datasets import Dataset, Split, Splits
from bench.datasets.shared import files
from bench.datasets.shared.download import Part
from bench.datasets.shared.layout import Layout
from bench.operators import Operator
from bench.operators.ct import CT
from bench.operators.shared.items import each

#: Views and pixels of a raw sinogram; the last view repeats the first.
VIEWS, PIXELS = 3601, 1912
#: Side of a reconstruction, in pixels.
SIDE = 1024
#: Source to axis, source to detector, and a detector's pixel, in millimetres.
SOURCE, DETECTOR, PITCH = 431.019989, 529.000488, 0.0748
#: Width of the field of view, in millimetres: the side of a reconstruction.
FIELD = PIXELS * PITCH * SOURCE / DETECTOR
#: Slices whose detector stood one binned pixel aside, by the authors' ``Reconstructions_2DeteCT.py``. (LION
#: shifts by an unbinned pixel, and slice 2830 not at all.)
SHIFTED = (range(1, 2831), range(5521, 5871))
#: LION's split; its rounding leaves 4481 to 4530 out.
PARTS = {"train": range(1, 3931), "validation": range(3931, 4481), "test": range(4531, 5001)}
#: Transmission is at least this before its logarithm is taken.
LEAST = 1e-6
LAYOUT = Layout(
    "detect2d",
    "2DeteCT",
    "slice00001/mode1/sinogram.tif and the like, and slice00001/mode2/reconstruction.tif, in folders such as "
    "2DeteCT_slices1-1000 and 2DeteCT_slices1-1000_RecSeg",
    "https://zenodo.org/records/8014757 and the records that it links",
)


class Detect2d(Dataset):
    """2DeteCT: 4,950 slices of fruits, nuts and stones, measured in a fan beam at three settings of the tube.

    A sinogram is the raw one, corrected as the authors do: pixels summed in pairs, dark field subtracted,
    divided by the mean flat field, cut at 1e-6, minus logarithm. Where the detector stood a pixel aside, the
    slice's operator has it there; the authors move the data instead, and make up their last column.

    Images are the reference reconstructions of mode 2 divided by ``highest``; slices of one object are one
    group where ``default_data_records.csv`` of LION lies in the folder, else ten slices in a row, which share
    their flat fields. Protocol: each image's own range, as LION.

    Args:
        root: folder with the unpacked downloads; a slice may lie in any of its folders.
        mode: of the measurement. 1: low dose, 90 kV, 3 W; 2: clean, 90 kV, 90 W; 3: beam hardening, 60 kV.
        every: sparse views: each so many of the 3,600.
        first: limited angle: the first so many of the 3,600 views, LION's 600 to 1500.
        highest: attenuation that becomes 1, per pixel of 0.114 mm; an image beyond it is an error.

    Raises:
        ValueError: a value outside its range.
        UsageError: a file is missing, damaged, or of another layout.

    References:
        Kiss, Coban, Batenburg, van Leeuwen, Lucka: 2DeteCT, a large 2D expandable, trainable, experimental
        computed tomography dataset for machine learning. Scientific Data 10, 576 (2023).
        Home: https://zenodo.org/records/8014757

    Example:
        bench run -d detect2d:root=/data/2detect,mode=1,every=10 -m unet -m tv
    """

    protocol = "lodopab"
    brings_operator = True

    def __init__(
        self,
        root: str,
        mode: Literal[1, 2, 3] = 2,
        every: int = 1,
        first: int | None = None,
        highest: float = 0.05,
    ):
        if not 1 <= every < VIEWS:
            raise ValueError(f"every must lie between 1 and {VIEWS - 1}, not {every}")
        if first is not None and not every <= first < VIEWS:
            raise ValueError(f"first must lie between every ({every}) and {VIEWS - 1}, not {first}")
        if not highest > 0:
            raise ValueError(f"highest must be positive, not {highest}")
        self.root, self.highest = Path(root).expanduser(), highest
        self.mode, self.views = mode, range(0, first or VIEWS - 1, every)

    def parts(self) -> list[Part]:
        return [Part("2DeteCT", self.root, LAYOUT.source)]

    def load(self) -> Splits:
        LAYOUT.check_root(self.root, "**/slice[0-9]*")
        found = _folders(self.root)
        objects = _objects(self.root / "default_data_records.csv")
        parts = {}
        for name, numbers in PARTS.items():
            there = [number for number in numbers if number in found]
            if not there:
                missing = self.root / f"slice{numbers[0]:05d}"
                raise LAYOUT.error(missing, f"is missing, as is every slice of the {name} part")
            for number in there:
                LAYOUT.check_files(_paths(found[number], self.mode))
            parts[name] = Slices(there, found, objects, self.mode, self.views, self.highest)
        unit = f"{self.highest:g} / pixel"
        return Splits(parts["train"], parts["test"], parts["validation"], unit=unit, reconstructions=True)


class Slices(Split):
    """Slices by their numbers, and where each lies: its folders by what they hold."""

    sizes = (SIDE, SIDE)

    def __init__(
        self,
        numbers: Sequence[int],
        found: dict[int, dict[str, Path]],
        objects: dict[int, str],
        mode: int,
        views: range,
        highest: float,
    ):
        self.numbers = list(numbers)
        self.found = {number: found[number] for number in self.numbers}
        self.objects, self.mode, self.views, self.highest = objects, mode, views, highest
        self.groups = [objects.get(number, f"ten {(number - 1) // 10}") for number in self.numbers]

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, index: int) -> Tensor:
        path = _paths(self.found[self.numbers[index]], self.mode)[-1]
        image = _tiff(path, (SIDE, SIDE)).astype(np.float32)
        if not (image.min() >= 0 and image.max() <= self.highest):
            held = f"{image.min():g} to {image.max():g} a pixel, not 0 to {self.highest:g}"
            raise LAYOUT.error(path, f"holds attenuations from {held}; declare them: detect2d:highest=...")
        return torch.from_numpy(image / self.highest)[None]

    def measurement(self, index: int) -> Tensor:
        number = self.numbers[index]
        *fields, _ = _paths(self.found[number], self.mode)
        raw = _tiff(fields[0], (VIEWS, PIXELS))[self.views]
        dark, *flats = (_tiff(path, None) for path in fields[1:])
        sinogram = corrected(raw, dark, flats)
        # The authors' unit of length is a pixel of the reconstruction, ours its side.
        projections = -np.log(sinogram.clip(LEAST)) / SIDE / self.highest
        return torch.from_numpy(projections.astype(np.float32))[None]

    def operator(self, indices: Sequence[int]) -> Operator:
        aside = [any(self.numbers[index] in numbers for numbers in SHIFTED) for index in indices]
        return each([scanner(self.views, -1.0 if moved else 0.0) for moved in aside])

    def taken(self, indices: Sequence[int]) -> "Slices":
        numbers = [self.numbers[i] for i in indices]
        return Slices(numbers, self.found, self.objects, self.mode, self.views, self.highest)

    def digest(self) -> str:
        paths = [path for number in self.numbers for path in _paths(self.found[number], self.mode)]
        how = f"{self.numbers} {self.groups} {self.views} {self.highest}"
        return hashlib.sha256(f"{files.digest(paths)} {how}".encode()).hexdigest()


def corrected(raw: Any, dark: Any, flats: Sequence[Any]) -> Any:
    """Transmission ``(raw - dark) / (mean flat - dark)`` in double precision, pixels summed in pairs.

    Args:
        raw: counts, ``(views, pixels)``.
        dark: counts without rays, ``(pixels,)`` or ``(1, pixels)``.
        flats: counts without object, each likewise.
    """
    paired = [np.atleast_2d(counts).astype(np.float64) for counts in (raw, dark, np.mean(flats, axis=0))]
    counts, none, all_ = (each[..., 0::2] + each[..., 1::2] for each in paired)
    return (counts - none[:1]) / (all_[:1] - none[:1])


@lru_cache(maxsize=4)
def scanner(views: range, offset: float = 0.0) -> Operator:
    """The fan beam of some views, with its detector ``offset`` binned pixels aside.

    The reconstruction's centre lies a pixel left of the axis and above it: the authors reconstruct 2048x2048
    pixels and keep rows and columns 511 to 1534.
    """
    arc = 360.0 * len(views) * views.step / (VIEWS - 1)
    return CT(
        (1, SIDE, SIDE),
        angles=len(views),
        detectors=PIXELS // 2,
        arc=arc,
        geometry="fan",
        detector_width=2 * PITCH / FIELD * SIDE,
        source=SOURCE / FIELD,
        detector=(DETECTOR - SOURCE) / FIELD,
        offset=offset,
        right=-1.0,
        up=1.0,
        oversample=1,
        sigma=0.0,
    )


def _folders(root: Path) -> dict[int, dict[str, Path]]:
    """Of each slice the folder of its raw data and that of its reconstructions, which are two downloads."""
    found: dict[int, dict[str, Path]] = {}
    with LAYOUT.naming(root):
        folders = sorted(path for depth in ("", "*/", "*/*/") for path in root.glob(f"{depth}slice[0-9]*"))
    for folder in folders:
        number = folder.name.removeprefix("slice")
        if not number.isdigit():
            continue
        held = found.setdefault(int(number), {"raw": folder, "reconstruction": folder})
        if (folder / "mode2" / "reconstruction.tif").exists():
            held["reconstruction"] = folder
        if any((folder / f"mode{mode}" / "sinogram.tif").exists() for mode in (1, 2, 3)):
            held["raw"] = folder
    return found


def _paths(held: dict[str, Path], mode: int) -> list[Path]:
    """Sinogram, dark field, both flat fields, and the reconstruction of mode 2."""
    names = ("sinogram", "dark", "flat1", "flat2")
    raw = [held["raw"] / f"mode{mode}" / f"{name}.tif" for name in names]
    return [*raw, held["reconstruction"] / "mode2" / "reconstruction.tif"]


def _tiff(path: Path, shape: tuple[int, int] | None) -> Any:
    """The numbers of a TIFF file; of the shape that is expected, or as many as the detector has pixels."""
    with LAYOUT.naming(path):
        numbers = tifffile.imread(path)
        right = numbers.shape == shape if shape else numbers.shape[-1:] == (PIXELS,)
        if not right:
            expected = shape or f"(..., {PIXELS})"
            raise LAYOUT.error(path, f"holds numbers {numbers.shape}, {expected} is expected")
    return numbers


def _objects(path: Path) -> dict[int, str]:
    """Which object each slice is of, from LION's list; nothing where it is not there."""
    if not path.exists():
        return {}
    with LAYOUT.naming(path), path.open(newline="", encoding="utf-8") as file:
        return {
            int(row["slice_identifier"].removeprefix("slice")): f"object {int(row['sample_index'])}"
            for row in csv.DictReader(file)
        }
