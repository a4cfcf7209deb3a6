"""Images that lie together in files: arrays, volumes, series."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from bench.datasets import Dataset, Split, Splits
from bench.datasets.shared import files
from bench.datasets.shared.scale import Scale, declared
from bench.datasets.shared.split import Sizes, cut
from bench.datasets.shared.volumes import OPENERS, dicom_place, kind, opened
from bench.errors import UsageError

#: What scanners write: their slices are reconstructions.
RECONSTRUCTED = (".dcm", ".nii", ".nii.gz")


class Stack(Dataset):
    """Images in .npy, .npz, HDF5, Zarr, TIFF stacks, DICOM series or NIfTI volumes, read as needed.

    An array holds ``(N, H, W)`` grey images or ``(N, C, H, W)``; a NIfTI volume its slices along the third
    axis; DICOM files are slices, in the order of their numbers, rescaled as they say. Of a folder every
    file of these kinds is taken, subfolders included. Images become values in [0, 1]: see ``range``.

    The split is by group where there are several, so that no patient or volume is in two splits: by the
    array ``groups``, else by DICOM patient, else by file. Of a single file the last images are for testing,
    those before them for choosing: slices side by side are alike, and a random choice would put neighbours
    on both sides.

    Args:
        path: a file or a folder.
        key: name of the array in .npz, HDF5 and Zarr; needed where there are several.
        test: name of the array of test images, where it is another one.
        validation: likewise.
        groups: name of an array of N labels: the patient, say, of each image.
        range: lowest and highest number, ``0,4095``: they become 0 and 1. Needed unless the numbers are 8-bit
            levels, or floats in [0, 1].
        window: centre and width, ``40,400``: what lies outside is cut off.
        test_share: share of the images, or of the groups, for testing.
        crop: side of the windows that training takes; default: whole images.

    Raises:
        ValueError: a value outside its range.

    Example:
        bench run -d stack:path=slices.h5,key=ct,groups=patient,window=40,400 -o ct -m unet
    """

    def __init__(
        self,
        path: str,
        key: str | None = None,
        test: str | None = None,
        validation: str | None = None,
        groups: str | None = None,
        range: str | None = None,
        window: str | None = None,
        test_share: float = 0.1,
        crop: int | None = None,
    ):
        if not 0 < test_share < 1:
            raise ValueError(f"test_share must lie between 0 and 1, not {test_share}")
        if crop is not None and crop < 1:
            raise ValueError(f"crop must be at least 1, not {crop}")
        self.path, self.key, self.test, self.validation = Path(path).expanduser(), key, test, validation
        self.groups, self.test_share = groups, test_share
        self.scale = declared(range, window)
        self.crop = None if crop is None else (crop, crop)

    def load(self) -> Splits:
        whole = self._images(self.key)
        made = any(kind(place.file) in RECONSTRUCTED for place in whole.places)
        form: dict[str, Any] = {"crop": self.crop, "reconstructions": made}
        if self.test is not None:
            chosen = None if self.validation is None else self._images(self.validation)
            return Splits(whole, self._images(self.test), chosen, **form)
        if len(whole) < 3:
            raise UsageError(
                f"stack: {len(whole)} images in {self.path}, at least 3 are needed: to train, to "
                "choose and to test"
            )
        count = min(max(round(self.test_share * len(whole)), 1), len(whole) - 2)
        if whole.groups is None:
            return Splits(*_blocks(whole, count), **form)
        if len(different := sorted(set(whole.groups))) < 3:
            raise UsageError(
                f"stack: {self.path} has {len(different)} groups ({', '.join(different)}), at least 3 are "
                "needed: to train, to choose and to test"
            )
        return Splits(*cut(whole, count, "stack"), **form)

    def _images(self, key: str | None) -> "Slices":
        places = [
            Place(file, key, index, group)
            for file, group in self._files()
            for index in np.arange(len_of(file, key)).tolist()
        ]
        if self.groups is not None:
            labelled = zip(places, self._labels(places), strict=True)
            places = [place._replace(group=label) for place, label in labelled]
        return Slices(places, self.scale)

    def _labels(self, places: Sequence["Place"]) -> list[str]:
        held = dict.fromkeys(place.file for place in places)
        labels = [_text(label) for file in held for label in opened(file, self.groups)[:]]
        if len(labels) != len(places):
            raise UsageError(
                f"stack: {self.groups} in {self.path} holds {len(labels)} labels for {len(places)} images"
            )
        return labels

    def _files(self) -> list[tuple[Path, str]]:
        """Every file in its order, and what its images belong to."""
        if kind(self.path) and self.path.exists():
            return [(self.path, self.path.name)]
        if not self.path.is_dir():
            what = f"ends in none of {' '.join(OPENERS)}" if self.path.exists() else "does not exist"
            raise UsageError(f"stack: {self.path} {what}")
        found = sorted(f for f in self.path.rglob("*") if kind(f) and not any(kind(p) for p in f.parents))
        if not found:
            raise UsageError(f"stack: no file in {self.path} ends in {' '.join(OPENERS)}")
        slices = sorted((dicom_place(f), f) for f in found if kind(f) == ".dcm")
        return [(f, place[0] or place[1]) for place, f in slices] + [
            (f, f.relative_to(self.path).as_posix()) for f in found if kind(f) != ".dcm"
        ]


class Place(NamedTuple):
    """Where one image lies, and what it belongs to."""

    file: Path
    key: str | None
    number: int
    group: str


class Slices(Split):
    """Images at places in files."""

    def __init__(self, places: Sequence[Place], scale: Scale):
        self.places, self.scale = list(places), scale
        groups = [place.group for place in self.places]
        self.groups = groups if len(set(groups)) > 1 else None

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: int) -> Tensor:
        place = self.places[index]
        try:
            image = np.asarray(opened(place.file, place.key)[place.number])
        except (OSError, RuntimeError, ValueError, IndexError) as error:
            raise UsageError(
                f"stack: {place.file} is damaged: image {place.number} cannot be read ({error}); copy the "
                "file again"
            ) from error
        return self.scale(image[None] if image.ndim == 2 else image, f"{place.file}, image {place.number}")

    @property
    def sizes(self) -> Sizes:
        known = {(p.file, p.key): tuple(opened(p.file, p.key).shape[-2:]) for p in self.places}
        return [known[p.file, p.key] for p in self.places]

    def taken(self, indices: Sequence[int]) -> "Slices":
        return Slices([self.places[index] for index in indices], self.scale)

    def digest(self) -> str:
        paths = list(dict.fromkeys(file for place in self.places for file in _parts(place.file)))
        held = {path: number for number, path in enumerate(dict.fromkeys(p.file for p in self.places))}
        taken_ = [(held[p.file], p.key, p.number, p.group) for p in self.places]
        return hashlib.sha256(f"{files.digest(paths)} {self.scale} {taken_}".encode()).hexdigest()


def _blocks(whole: Split, count: int) -> tuple[Split, Split, Split]:
    """Training, test and validation images: the first, the last, and those between."""
    chosen = min(max(round(0.05 * (len(whole) - count)), 1), 1000)
    numbers = torch.arange(len(whole)).split([len(whole) - count - chosen, chosen, count])
    train, validation, test = (whole.taken(part.tolist()) for part in numbers)
    return train, test, validation


def len_of(file: Path, key: str | None) -> int:
    """Number of images in a file.

    Raises:
        UsageError: it holds something else than images.
    """
    shape = opened(file, key).shape
    if len(shape) not in (3, 4):
        raise UsageError(
            f"stack: {file}{f' ({key})' if key else ''} is of shape {tuple(shape)}; images are (N, H, W) or "
            "(N, C, H, W)"
        )
    return int(shape[0])


def _parts(file: Path) -> list[Path]:
    """The file, or all that make up a Zarr folder."""
    return sorted(f for f in file.rglob("*") if f.is_file()) if file.is_dir() else [file]


def _text(label: object) -> str:
    return label.decode() if isinstance(label, bytes) else str(label)
