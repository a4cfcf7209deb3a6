"""Windows of photographs: natural images that need no download."""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from bench.datasets import Dataset, InMemory, Splits
from bench.errors import UsageError, at_least
from bench.seeding import stream

#: Colour photographs in the wheels of scikit-image and Matplotlib, and the folders they lie in. Left out:
#: motorcycle_right (the same scene as motorcycle_left), and hubble_deep_field, most of which is black.
PHOTOGRAPHS = {
    "astronaut.png": "skimage/data",
    "chelsea.png": "skimage/data",
    "coffee.png": "skimage/data",
    "grace_hopper.jpg": "matplotlib/mpl-data/sample_data",
    "ihc.png": "skimage/data",
    "motorcycle_left.png": "skimage/data",
    "retina.jpg": "skimage/data",
    "rocket.jpg": "skimage/data",
}
#: Windows are cut from a photograph's region as it is and from the region reduced by these factors.
SCALES = (1.0, 1.5, 2.0, 3.0, 4.0)
#: Shares of a photograph's width, left to right; the rest, at its left, is for training.
TEST, VALIDATION = 0.25, 0.15
#: A window is flat if its values deviate less than this from their channel's mean; one in so many stays.
FLAT, ONE_IN = 5, 8


Counts = npt.NDArray[np.int64]
Places = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Plane:
    """One region of one photograph at one scale: where windows are cut.

    Attributes:
        photograph: its file name.
        split: ``train``, ``test`` or ``validation``.
        region: columns ``[start, stop)`` of the photograph, in its own pixels.
        scale: how many times smaller than the photograph.
        pixels: ``(3, H, W)`` uint8.
    """

    photograph: str
    split: str
    region: tuple[int, int]
    scale: float
    pixels: npt.NDArray[np.uint8]

    def positions(self, size: int) -> tuple[int, int]:
        """Numbers of rows and columns at which a window can start; 0 where none fits."""
        _, height, width = self.pixels.shape
        return max(height - size + 1, 0), max(width - size + 1, 0)

    def places(self, size: int, step: int) -> Places:
        """Where windows start, ``(N, 2)``, every ``step`` pixels down and across; most flat ones left out."""
        flat = self.flat(size, step)
        kept = ~flat
        kept.ravel()[np.flatnonzero(flat)[::ONE_IN]] = True
        return np.argwhere(kept) * step

    def flat(self, size: int, step: int) -> npt.NDArray[np.bool_]:
        """Whether the window that starts at each position is flat; in whole numbers, so exactly."""
        values = self.pixels.astype(np.int64)
        count, total, squares = size * size, _sums(values, size, step), _sums(values * values, size, step)
        spread: npt.NDArray[np.int64] = (count * squares - total * total).sum(0)
        return spread < 3 * (FLAT * count) ** 2


class Photos(Dataset):
    """Windows of the eight colour photographs in the wheels of scikit-image and Matplotlib; no download.

    The photograph is the group of its windows: they are not independent, and what is found on them holds
    for these eight photographs; claims about methods are made on ``leaves``. Each gives an equal share.

    Each photograph is split by columns into a region for training (the left 60 %), one for testing
    (25 %) and one for validation (15 %); a region is never narrower than a window. Windows are cut
    from each region as it is and from the region, by itself, reduced 1.5, 2, 3 and 4 times
    (Lanczos), so the splits share no pixel. Within a split all windows are different; test windows of one
    scale do not overlap, unless more are asked for than lie side by side. Of flat windows (deviation below
    5 of 255) seven in eight are left out: their PSNR is high whatever was learnt, and rewards blankness.
    Of 500 test windows of 32x32 7 % are still flat.

    Args:
        size: height and width of a window in pixels.
        train: number of training windows; a twentieth as many, 1 to 1000, are for validation.
        test: number of test windows.
    """

    def __init__(self, size: int = 32, train: int = 5000, test: int = 500):
        at_least(1, size=size, train=train, test=test)
        self.size = size
        self.counts = {"train": train, "test": test, "validation": min(max(round(0.05 * train), 1), 1000)}

    def load(self) -> Splits:
        planes = list(self.planes())
        if not planes:
            largest = max(min(p.height, p.width // 3) for p in map(_open, PHOTOGRAPHS))
            raise UsageError(f"photos: size={self.size} is too large; it can be at most {largest}")
        train, test, validation = (self._windows(planes, split) for split in self.counts)
        return Splits(train, test, validation)

    def planes(self) -> Iterator[Plane]:
        """Every plane in which a window fits."""
        for name in PHOTOGRAPHS:
            photograph = _open(name)
            for split, (start, stop) in regions(photograph.width, self.size).items():
                part = photograph.crop((start, 0, stop, photograph.height))
                for scale in SCALES:
                    plane = Plane(name, split, (start, stop), scale, _reduced(part, scale))
                    if min(plane.positions(self.size)) > 0:
                        yield plane

    def _windows(self, planes: list[Plane], split: str) -> InMemory:
        """The windows of a split with their photographs, in random order."""
        planes = [plane for plane in planes if plane.split == split]
        count, random = self.counts[split], stream("cpu", "photos", split)
        places = self._places(planes, split)
        names = [list(PHOTOGRAPHS).index(plane.photograph) for plane in planes]
        quotas = _quotas(count, np.array([len(found) for found in places]), np.array(names))
        windows, groups = [], []
        for plane, found, quota in zip(planes, places, quotas, strict=True):
            view = np.lib.stride_tricks.sliding_window_view(plane.pixels, (self.size, self.size), (1, 2))
            row, column = found[torch.randperm(len(found), generator=random)[:quota].numpy()].T
            windows.append(view[:, row, column].transpose(1, 0, 2, 3))
            groups += [plane.photograph] * int(quota)
        order = torch.randperm(count, generator=random).numpy()
        images = torch.from_numpy(np.concatenate(windows)[order])
        return InMemory(images, [groups[place] for place in order])

    def _places(self, planes: list[Plane], split: str) -> list[Places]:
        """Where the windows of each plane may start: of test windows side by side, if there are enough.

        Raises:
            UsageError: more windows are asked for than there are positions.
        """
        for step in (self.size, 1) if split == "test" else (1,):
            places = [plane.places(self.size, step) for plane in planes]
            if sum(map(len, places)) >= self.counts[split]:
                return places
        places = [np.argwhere(np.ones(plane.positions(self.size), bool)) for plane in planes]
        if (there := sum(map(len, places))) < self.counts[split]:
            raise UsageError(
                f"photos: {split}={self.counts[split]} is too many; there are {there} different windows of "
                f"{self.size}x{self.size} pixels for that"
            )
        return places


def regions(width: int, size: int) -> dict[str, tuple[int, int]]:
    """Columns ``[start, stop)`` of each split in a photograph; empty if it is too narrow for three."""
    test, validation = max(round(TEST * width), size), max(round(VALIDATION * width), size)
    train = width - test - validation
    if train < size:
        return {}
    return {
        "train": (0, train),
        "test": (train, train + test),
        "validation": (train + test, width),
    }


def _open(name: str) -> Image.Image:
    package, _, folder = PHOTOGRAPHS[name].partition("/")
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise UsageError(f"photos: the package {package}, which {name} comes with, is not installed")
    with Image.open(Path(spec.origin).parent / folder / name) as file:
        return file.convert("RGB")


def _reduced(image: Image.Image, scale: float) -> npt.NDArray[np.uint8]:
    """The image ``scale`` times smaller, ``(3, H, W)``."""
    width, height = max(int(image.width / scale), 1), max(int(image.height / scale), 1)
    small = image.resize((width, height), Image.Resampling.LANCZOS)
    return np.ascontiguousarray(np.asarray(small).transpose(2, 0, 1))


def _quotas(count: int, capacity: Counts, photograph: Counts) -> Counts:
    """``count`` windows shared equally among photographs, in each by the square root of what a plane holds.

    By the square root, because by the number itself nearly all windows would be of the finest scale.
    """
    quotas = np.zeros_like(capacity)
    while (left := count - quotas.sum()) > 0:
        weights = np.sqrt(capacity) * (quotas < capacity)
        weights /= np.maximum(np.bincount(photograph, weights), 1)[photograph]
        edges = np.round(weights.cumsum() / weights.sum() * left).astype(np.int64)
        quotas = np.minimum(quotas + np.diff(edges, prepend=0), capacity)
    return quotas


def _sums(values: Counts, size: int, step: int) -> Counts:
    """Sums over the ``size`` x ``size`` windows of the last two axes that start every ``step``."""
    for axis in (1, 2):
        total = np.moveaxis(np.insert(values.cumsum(axis), 0, 0, axis), axis, 0)
        values = np.moveaxis((total[size:] - total[:-size])[::step], 0, axis)
    return values
