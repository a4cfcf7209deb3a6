"""Windows of photographs: natural images that need no download."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from bench.datasets import Dataset, Splits
from bench.errors import UsageError, at_least
from bench.seeding import stream

#: Colour photographs in the scikit-image wheel. Left out: motorcycle_right (the same scene), and
#: hubble_deep_field and retina, most of whose windows are black or of one colour.
PHOTOGRAPHS = ("astronaut.png", "chelsea.png", "coffee.png", "ihc.png", "motorcycle_left.png", "rocket.jpg")
#: Windows are cut from a photograph's region as it is and from the region reduced by these factors.
SCALES = (1.0, 1.5, 2.0, 3.0, 4.0)
#: Shares of a photograph's width, left to right; the rest, at its left, is for training.
TEST, VALIDATION = 0.25, 0.15


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


class Photos(Dataset):
    """Windows of the colour photographs in the scikit-image wheel; no download.

    Each photograph is split by columns into a region for training (the left 60 %), one for testing
    (25 %) and one for validation (15 %); a region is never narrower than a window. Windows are cut
    from each region as it is and from the region, by itself, reduced 1.5, 2, 3 and 4 times
    (Lanczos), so the splits share no pixel. Within a split all windows are different, spread evenly.

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
        return Splits(*(self._windows(planes, split) for split in ("train", "test", "validation")))

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

    def _windows(self, planes: list[Plane], split: str) -> torch.Tensor:
        """The windows of a split, ``(N, 3, size, size)``, in random order."""
        planes = [plane for plane in planes if plane.split == split]
        places = [plane.positions(self.size) for plane in planes]
        capacity = np.array([rows * columns for rows, columns in places])
        count = self.counts[split]
        if count > capacity.sum():
            raise UsageError(
                f"photos: {split}={count} is too many; there are {capacity.sum()} different windows of "
                f"{self.size}x{self.size} pixels for that"
            )
        windows = np.empty((count, 3, self.size, self.size), np.uint8)
        order = torch.randperm(count, generator=stream("cpu", "photos", split)).numpy()
        quotas = _quotas(count, capacity)
        for plane, place, index in zip(planes, places, np.split(order, quotas.cumsum()[:-1]), strict=True):
            view = np.lib.stride_tricks.sliding_window_view(plane.pixels, (self.size, self.size), (1, 2))
            for i, row, column in zip(index, *_grid(len(index), *place), strict=True):
                windows[i] = view[:, row, column]
        return torch.from_numpy(windows)


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
    import skimage

    with Image.open(Path(skimage.__file__).parent / "data" / name) as file:
        return file.convert("RGB")


def _reduced(image: Image.Image, scale: float) -> npt.NDArray[np.uint8]:
    """The image ``scale`` times smaller, ``(3, H, W)``."""
    width, height = max(int(image.width / scale), 1), max(int(image.height / scale), 1)
    small = image.resize((width, height), Image.Resampling.LANCZOS)
    return np.ascontiguousarray(np.asarray(small).transpose(2, 0, 1))


def _quotas(count: int, capacity: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """``count`` windows shared among planes by the square root of how many each can give.

    By the square root, because by the number itself nearly all windows would be of the finest scale.
    """
    quotas = np.zeros_like(capacity)
    while (left := count - quotas.sum()) > 0:
        weights = np.sqrt(capacity) * (quotas < capacity)
        edges = np.round(weights.cumsum() / weights.sum() * left).astype(np.int64)
        quotas = np.minimum(quotas + np.diff(edges, prepend=0), capacity)
    return quotas


def _grid(count: int, rows: int, columns: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """``count`` different places in ``rows`` x ``columns``, as far apart as an even grid allows."""
    across = min(rows, int(np.ceil(np.sqrt(count * rows / columns))))
    down = -(-count // across) if across else 0
    chosen = _even(across * down, count)
    return _even(rows, across)[chosen // down], _even(columns, down)[chosen % down]


def _even(length: int, count: int) -> npt.NDArray[np.int64]:
    """``count`` different numbers from 0 to ``length - 1``, evenly spread."""
    return np.round(np.linspace(0, length - 1, count)).astype(np.int64)
