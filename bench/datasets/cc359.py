"""Calgary-Campinas: k-space of brains, recorded with twelve coils."""

import hashlib
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from bench.datasets import Dataset, Splits
from bench.datasets.shared import cache
from bench.datasets.shared.download import Archive, Part, default_root
from bench.datasets.shared.kspace import ROUNDING, KSpace, Sampling, Volume
from bench.datasets.shared.layout import Layout
from bench.datasets.shared.masks import Kind
from bench.datasets.shared.volumes import opened
from bench.errors import at_least, without_effect

HOME = "https://sites.google.com/view/calgary-campinas-dataset"
#: Sampling patterns of the challenge, with the address and the MD5 that the library DIRECT knows them by.
PATTERNS = "https://s3.aiforoncology.nl/direct-project/calgary_campinas_masks"
MD5 = {
    "R5_218x170.npy": "6599715103cf3d71d6e87d09f865e7da",
    "R5_218x174.npy": "5bd27d2da3bf1e78ad1b65c9b5e4b621",
    "R5_218x180.npy": "717b51f3155c3a64cfaaddadbe90791d",
    "R10_218x170.npy": "6e1511c33dcfc4a960f526252676f7c3",
    "R10_218x174.npy": "78fe23ae5eed2d3a8ff3ec128388dcc9",
    "R10_218x180.npy": "5039a6c19ac2aa3472a94e4b015e5228",
}
LAYOUT = Layout(
    "cc359",
    "The Calgary-Campinas raw data",
    "Train and Val with one .h5 file a volume, as train_val_12_channel.zip holds them",
    HOME,
)


class Cc359(Dataset):
    """Calgary-Campinas raw data: undersampled k-space of brains, 12 coils, with the fully sampled images.

    ``root`` holds ``Train`` and ``Val`` (or ``train_val_12_channel`` with both), one HDF5 file a volume:
    ``kspace`` (256 slices, 218, 170 and more, 24), real and imaginary parts of the coils in turn, the
    readout already transformed; and ``poisson_sampling``, the challenge's patterns (``R5_218x170.npy``, ...),
    of which each volume has one, by its file's name. ``Val`` is for tests: the challenge's own test volumes
    are given out undersampled. Measurements are recorded: the dataset brings its operator.

    Images are root sums of squares over the coils, cropped to the smallest grid of all volumes; with
    ``phase=true`` they are complex, combined by sensitivities estimated from the middle of k-space. Values
    are levelled as in ``fastmri``. Each slice is scored by itself, as in the challenge, which takes the
    extremes of reconstruction and reference as range; the protocol ``lodopab`` takes those of the reference.

    The size of the download is not published with the code that reads it; its authors' README names 55 GB for
    60 volumes.

    Args:
        root: folder that holds the parts; default: ``datasets`` in the cache folder.
        acceleration: all of k-space over what is measured; the challenge's patterns are of 5 and 10.
        mask: ``poisson``: the challenge's patterns; or columns as fastMRI draws them.
        centre_fraction: share of the columns that is measured in the middle; default: 0.32 / acceleration.
        phase: whether images are complex.
        outer: slices at each end that show little or nothing and are left out; the challenge leaves 50.
        volumes: at most this many training volumes, the first by name.

    Raises:
        ValueError: a value outside its range, or one without effect.

    References:
        Souza et al.: An open, multi-vendor, multi-field-strength brain MR dataset, NeuroImage 170, 2018.
        Beauferris et al.: Multi-coil MRI reconstruction challenge, Frontiers in Neuroscience 16, 2022.
        Home: https://sites.google.com/view/calgary-campinas-dataset

    Example:
        bench run -d cc359:root=/data/calgary,acceleration=5 -m unet -m inverse
    """

    protocol = "lodopab"
    brings_operator = True

    def __init__(
        self,
        root: str | None = None,
        acceleration: int = 5,
        mask: Kind | Literal["poisson"] = "poisson",
        centre_fraction: float | None = None,
        phase: bool = False,
        outer: int = 50,
        volumes: int | None = None,
    ):
        at_least(2, acceleration=acceleration)
        at_least(0, outer=outer)
        if volumes is not None:
            at_least(2, volumes=volumes)
        share = 0.32 / acceleration if centre_fraction is None else centre_fraction
        if mask == "poisson":
            without_effect("mask=poisson", centre_fraction=centre_fraction)
        elif not 0 < share < 1 / acceleration:
            raise ValueError(f"centre_fraction must lie between 0 and {1 / acceleration:g}, not {share:g}")
        self.root, self.outer, self.volumes = default_root(root), outer, volumes
        folder = self.root / "poisson_sampling"
        given = {"patterns": folder} if mask == "poisson" else {"centre_fraction": share}
        self.sampling = Sampling(mask, acceleration, phase=phase, **given)

    def parts(self) -> list[Part]:
        held = self.root / "train_val_12_channel"
        folder = held if held.is_dir() else self.root
        wanted = [Part(f"{name} (12 coils)", folder / name, HOME) for name in ("Train", "Val")]
        if self.sampling.patterns:
            for name, md5 in MD5.items():
                if name.startswith(f"R{self.sampling.acceleration}_"):
                    place, archive = self.sampling.patterns / name, Archive(f"{PATTERNS}/{name}", md5=md5)
                    wanted.append(Part(name, place, PATTERNS, archive=archive))
        return wanted

    def load(self) -> Splits:
        parts = self.parts()[:2]
        for part in parts:
            if not part.here:
                raise part.missing("cc359")
        found = [sorted(part.place.glob("*.h5")) for part in parts]
        found[0] = found[0][: self.volumes]
        for part, there, least in zip(parts, found, (2, 1), strict=True):
            if len(there) < least:
                raise LAYOUT.error(
                    part.place, f"holds {len(there)} volumes (.h5), {least} or more are needed"
                )
        grids = [_grid(file) for there in found for file in there]
        rows, columns = zip(*grids, strict=True)
        size, room = (min(rows), min(columns)), (max(rows), max(columns))
        patience = cache.Patience("cc359: looking through the volumes, once", len(grids))
        train, test = ([self._volume(file, size, patience) for file in there] for there in found)
        most = max(volume.largest / volume.level for volume in train + test)
        coils = max(volume.coils for volume in train + test)
        held = [Slices(volumes, self.sampling, (coils, *room)) for volumes in (train, test)]
        return Splits(*held, value_range=(0.0, most * (1 + ROUNDING)), group_kind="volume")

    def _volume(self, file: Path, size: tuple[int, ...], patience: cache.Patience) -> Volume:
        slices, *grid, parts = opened(file, "kspace").shape
        if slices <= 2 * self.outer:
            raise LAYOUT.error(file, f"has {slices} slices, more than twice outer={self.outer} are needed")
        numbers, image = range(self.outer, slices - self.outer), (size[0], size[1])
        volume = Volume(file, numbers, parts // 2, (grid[0], grid[1]), image, 0.0)
        looked_at = Slices.levelled(Slices.largest(volume), self.sampling)
        patience.step(1)
        return looked_at


def _grid(file: Path) -> tuple[int, int]:
    """Rows and columns of a volume's k-space.

    Raises:
        UsageError: it is damaged, or of another layout.
    """
    with LAYOUT.naming(file):
        array = opened(file, "kspace")
    if array.ndim != 4 or array.dtype != np.float32 or any(side % 2 for side in array.shape[1:]):
        raise LAYOUT.error(
            file,
            f"holds kspace {array.shape} {array.dtype}; float32 (slices, rows, columns, 2 coils), all "
            "but the first even, is expected: another part, or another version of the layout",
        )
    return array.shape[1], array.shape[2]


class Slices(KSpace):
    """Slices as Calgary gives them out: real and imaginary parts in turn, coils last, images not centred."""

    layout = LAYOUT

    @classmethod
    def spectrum(cls, volume: Volume, number: int) -> Any:
        held = cls.slice(volume.file, "kspace", number).view(np.complex64)
        rows, columns = (np.arange(side) for side in volume.grid)
        # The inverse transform without any shift shows the image in the middle: so does ours of this.
        signs = np.where((rows[:, None] + columns) % 2, np.float32(-1), np.float32(1))
        return np.ascontiguousarray((held * signs[..., None]).transpose(2, 0, 1))

    @classmethod
    def largest(cls, volume: Volume) -> Volume:
        """The volume with its largest magnitude, which its file does not say: it is kept once it is found."""
        state = volume.file.stat()
        said = f"{volume.file.resolve()} {state.st_size} {state.st_mtime_ns} {volume.numbers} {volume.size}"
        name = f"cc359-{hashlib.sha256(said.encode()).hexdigest()[:32]}"
        if (held := cache.kept(name)) is None:
            most = max(float(cls.magnitude(volume, number).max()) for number in volume.numbers)
            cache.keep(name, held := struct.pack("<d", most))
        return replace(volume, largest=struct.unpack("<d", held)[0])
