"""Windows of photographs: natural images that need no download."""

import hashlib
import io
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt
import PIL
import torch
from PIL import Image
from torch import Tensor

from bench.datasets import Dataset, InMemory, Splits
from bench.datasets.shared.cache import keep_tensors, kept_tensors
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
#: Bytes of windows that are looked at together: they stay in the processor's cache.
AT_ONCE = 2**18
#: Bytes of windows that are kept for the next time; of more, all is cut anew.
KEPT = 2**28

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
        source: the photograph.
    """

    photograph: str
    split: str
    region: tuple[int, int]
    scale: float
    source: Image.Image

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        start, stop = self.region
        return max(int((stop - start) / self.scale), 1), max(int(self.source.height / self.scale), 1)

    @cached_property
    def pixels(self) -> npt.NDArray[np.uint8]:
        """The reduced region, ``(3, H, W)``; made when it is asked for."""
        start, stop = self.region
        part = self.source.crop((start, 0, stop, self.source.height))
        small = part.resize(self.size, Image.Resampling.LANCZOS)
        return np.ascontiguousarray(np.asarray(small).transpose(2, 0, 1))

    def positions(self, size: int) -> tuple[int, int]:
        """Numbers of rows and columns at which a window can start; 0 where none fits."""
        width, height = self.size
        return max(height - size + 1, 0), max(width - size + 1, 0)

    def windows(self, size: int, places: Places) -> npt.NDArray[np.uint8]:
        """The windows that start at these rows and columns, ``(N, 2)`` to ``(N, 3, size, size)``."""
        view = np.lib.stride_tricks.sliding_window_view(self.pixels, (size, size), (1, 2))
        row, column = places.T
        return view[:, row, column].transpose(1, 0, 2, 3)

    def drawn(self, count: int, size: int, step: int, random: torch.Generator) -> npt.NDArray[np.uint8]:
        """``count`` different windows that start every ``step`` pixels; flat ones thinned if it can be."""
        if not count:
            return np.empty((0, 3, size, size), np.uint8)
        rows, columns = (-(-number // step) for number in self.positions(size))
        order = torch.randperm(rows * columns, generator=random).numpy()
        met = int(torch.randint(ONE_IN, (1,), generator=random))
        kept, left = [], []
        together = max(AT_ONCE // (3 * size * size), 1)
        for first in range(0, len(order), together):
            part = np.stack(np.divmod(order[first : first + together], columns), 1) * step
            blank = flat(self.windows(size, part))
            numbers = met + np.cumsum(blank)
            met = int(numbers[-1])
            thinned = blank & (numbers % ONE_IN > 0)
            kept.append(part[~thinned])
            left.append(part[thinned])
            if sum(map(len, kept)) >= count:
                break
        return self.windows(size, np.concatenate([*kept, *left])[:count])


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
    Of 500 test windows of 32x32 7 % are still flat, of 5,000 training windows 2 %.

    Args:
        size: height and width of a window in pixels.
        train: number of training windows; a twentieth as many, 1 to 1000, are for validation.
        test: number of test windows.

    References:
        Home: https://scikit-image.org/docs/stable/api/skimage.data.html, and for one of the eight
        https://matplotlib.org
    """

    def __init__(self, size: int = 32, train: int = 5000, test: int = 500):
        at_least(1, size=size, train=train, test=test)
        self.size = size
        self.counts = {"train": train, "test": test, "validation": min(max(round(0.05 * train), 1), 1000)}

    def load(self) -> Splits:
        """The windows; those of up to 256 MiB are kept in the cache folder, by all that they depend on."""
        kept = 3 * self.size**2 * sum(self.counts.values()) <= KEPT
        name = f"photos/{self._content()}"
        windows = kept_tensors(name) if kept else None
        if windows is None or not self._whole(windows):
            windows = self._cut()
            if kept:
                keep_tensors(name, windows)
        names = list(PHOTOGRAPHS)
        train, test, validation = (
            InMemory(windows[split], [f"{names[i]}, {split}" for i in windows[f"{split} of"].tolist()])
            for split in self.counts
        )
        return Splits(train, test, validation, group_kind="photograph")

    def _content(self) -> str:
        """Digest of all that the windows depend on: the photographs, this code, libraries, parameters."""
        versions = PIL.__version__, np.__version__, torch.__version__, self.size, self.counts
        sha = hashlib.sha256(repr(versions).encode() + Path(__file__).read_bytes())
        for name in PHOTOGRAPHS:
            sha.update(_file(name))
        return sha.hexdigest()

    def _whole(self, windows: dict[str, Tensor]) -> bool:
        """Whether these are such windows as :meth:`_cut` makes."""
        expected: dict[str, tuple[int, ...]] = {}
        for split, count in self.counts.items():
            expected |= {split: (count, 3, self.size, self.size), f"{split} of": (count,)}
        right = {name: tuple(windows[name].shape) for name in sorted(windows)} == expected
        bytes_ = all(tensor.dtype == torch.uint8 for tensor in windows.values())
        return right and bytes_ and all(windows[f"{s} of"].max() < len(PHOTOGRAPHS) for s in self.counts)

    def _cut(self) -> dict[str, Tensor]:
        """The windows of each split, and the number of the photograph that each is from.

        Raises:
            UsageError: a window is too large, or there are not so many.
        """
        planes = self.planes()
        if not planes:
            largest = max(min(p.height, p.width // 3) for p in map(_open, PHOTOGRAPHS))
            raise UsageError(f"photos: size={self.size} is too large; it can be at most {largest}")
        windows: dict[str, Tensor] = {}
        for split in self.counts:
            windows[split], windows[f"{split} of"] = self._windows(planes, split)
        return windows

    def planes(self) -> list[Plane]:
        """Every plane in which a window fits."""
        found = []
        for name in PHOTOGRAPHS:
            photograph = _open(name)
            for split, region in regions(photograph.width, self.size).items():
                found += [Plane(name, split, region, scale, photograph) for scale in SCALES]
        return [plane for plane in found if min(plane.positions(self.size)) > 0]

    def _windows(self, planes: list[Plane], split: str) -> tuple[Tensor, Tensor]:
        """The windows of a split in random order, and the numbers of their photographs; uint8."""
        planes = [plane for plane in planes if plane.split == split]
        count, random = self.counts[split], stream("cpu", "photos", split)
        step, capacity = self._capacity(planes, split)
        names = np.array([list(PHOTOGRAPHS).index(plane.photograph) for plane in planes])
        quotas = _quotas(count, capacity, names)
        pairs = zip(planes, quotas.tolist(), strict=True)
        windows = np.concatenate([plane.drawn(quota, self.size, step, random) for plane, quota in pairs])
        order = torch.randperm(count, generator=random)
        of = torch.from_numpy(np.repeat(names, quotas).astype(np.uint8))
        return torch.from_numpy(windows)[order], of[order]

    def _capacity(self, planes: list[Plane], split: str) -> tuple[int, Counts]:
        """How far apart windows start, and how many each plane holds: test windows lie side by side.

        Raises:
            UsageError: more windows are asked for than there are positions.
        """
        there = np.zeros(1, np.int64)
        for step in (self.size, 1) if split == "test" else (1,):
            numbers = np.array([plane.positions(self.size) for plane in planes])
            there = (-(-numbers // step)).prod(1)
            if there.sum() >= self.counts[split]:
                return step, there
        raise UsageError(
            f"photos: {split}={self.counts[split]} is too many; there are {there.sum()} different windows of "
            f"{self.size}x{self.size} pixels for that"
        )


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


def _file(name: str) -> bytes:
    """The file of a photograph."""
    package, _, folder = PHOTOGRAPHS[name].partition("/")
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise UsageError(f"photos: the package {package}, which {name} comes with, is not installed")
    return (Path(spec.origin).parent / folder / name).read_bytes()


def _open(name: str) -> Image.Image:
    with Image.open(io.BytesIO(_file(name))) as file:
        return file.convert("RGB")


def flat(windows: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """Whether each window, ``(N, 3, H, W)``, is flat; in whole numbers, so exactly."""
    values = windows.reshape(*windows.shape[:2], -1).astype(np.int64)
    count, total = values.shape[2], values.sum(2)
    spread = (count * np.einsum("ncp,ncp->nc", values, values) - total * total).sum(1)
    blank: npt.NDArray[np.bool_] = spread < 3 * (FLAT * count) ** 2
    return blank


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
