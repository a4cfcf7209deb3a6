"""fastMRI: k-space as scanners recorded it."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from bench.datasets import Dataset, Split, Splits
from bench.datasets.shared import files
from bench.datasets.shared.cache import Patience
from bench.datasets.shared.download import Part, default_root
from bench.datasets.shared.masks import Kind, centre, mask
from bench.datasets.shared.split import Sizes
from bench.datasets.shared.volumes import opened
from bench.errors import UsageError, at_least
from bench.operators import Operator
from bench.operators.shared.cartesian import Cartesian, Magnitude, Scan, centred, inner, sensitivities

HOME = "https://fastmri.med.nyu.edu"
LICENCE = "fastMRI data sharing agreement, signed at its home"
#: Complex images are transformed again from k-space: rounding may lead beyond the largest magnitude stored.
ROUNDING = 1e-3


@dataclass(frozen=True)
class Sampling:
    """What is taken from k-space, and what the images are.

    Attributes:
        kind: how the columns are drawn.
        acceleration: all columns over measured ones.
        centre_fraction: share of the columns in the middle.
        coils: ``single`` (emulated) or ``multi``.
        phase: whether images are complex.
        maps: folder of given sensitivities; None: they are estimated from the lines in the middle.
    """

    kind: Kind
    acceleration: int
    centre_fraction: float
    coils: Literal["single", "multi"]
    phase: bool
    maps: Path | None


class FastMRI(Dataset):
    """fastMRI: undersampled k-space of knees, one coil or many, with the fully sampled images.

    ``root`` holds ``singlecoil_train`` and ``singlecoil_val`` (or ``multicoil_...``), one HDF5 file a volume:
    ``kspace``, and ``reconstruction_esc`` (``reconstruction_rss``) of 320x320. Training volumes are learned
    from, whole volumes of them chosen by, and the validation part is for tests, as in papers: the test part
    has no truth. Measurements are recorded: the dataset brings its operator. Masks are fastMRI's for the
    file's name; every volume has one (the reference code draws new ones for training, here they stay).

    Images are magnitudes, as fastMRI's references, and networks see the zero-filled magnitude; with
    ``phase=true`` they are complex: networks see and give real and imaginary part, and the protocol compares
    magnitudes. Each volume is divided by the root mean square of the lines in the middle of its middle slice,
    which is measured: k-space and images alike, so that fastMRI's scores stay what they are.

    Args:
        root: folder that holds the parts; default: ``datasets`` in the cache folder.
        acceleration: all columns over measured ones.
        centre_fraction: share of the columns that is measured in the middle; default: 0.32 / acceleration
            (8 % at 4x, 4 % at 8x).
        mask: how the others are drawn; ``equispaced_fraction`` is what early papers call equispaced.
        coils: ``single`` or ``multi``.
        phase: whether images are complex.
        maps: with ``coils=multi,phase=true``: folder of files of the volumes' names with sensitivities,
            ``sensitivities`` (slices, coils, 320, 320); default: estimated from the lines in the middle.
        acquisition: only volumes of this one, ``CORPD_FBK`` or ``CORPDFS_FBK``.
        volumes: at most this many training volumes, the first by name.

    Raises:
        ValueError: a value outside its range, or one without effect.

    References:
        Zbontar et al.: fastMRI: an open dataset and benchmarks for accelerated MRI, arXiv 1811.08839.
        Knoll et al.: fastMRI, Radiology: Artificial Intelligence 2(1), 2020.
    """

    protocol = "fastmri"
    brings_operator = True

    def __init__(
        self,
        root: str | None = None,
        acceleration: int = 4,
        centre_fraction: float | None = None,
        mask: Kind = "random",
        coils: Literal["single", "multi"] = "single",
        phase: bool = False,
        maps: str | None = None,
        acquisition: str | None = None,
        volumes: int | None = None,
    ):
        at_least(2, acceleration=acceleration)
        share = 0.32 / acceleration if centre_fraction is None else centre_fraction
        if not 0 < share < 1 / acceleration:
            raise ValueError(
                f"centre_fraction must lie between 0 and 1 / acceleration, {1 / acceleration:g}, "
                f"not {share:g}"
            )
        if maps is not None and not (coils == "multi" and phase):
            raise ValueError("maps has an effect with coils=multi,phase=true alone")
        if volumes is not None:
            at_least(2, volumes=volumes)
        self.root, self.acquisition, self.volumes = default_root(root), acquisition, volumes
        given = Path(maps).expanduser() if maps else None
        self.sampling = Sampling(mask, acceleration, share, coils, phase, given)

    def parts(self) -> list[Part]:
        names = [f"{self.sampling.coils}coil_{part}" for part in ("train", "val")]
        return [Part(name, self.root / name, HOME, LICENCE) for name in names]

    def load(self) -> Splits:
        parts = self.parts()
        for part in parts:
            if not part.here:
                raise part.missing("fastmri")
        train, test = (self._volumes(part) for part in parts)
        train = train[: self.volumes]
        room = tuple(max(sides) for sides in zip(*(v.grid for v in train + test), strict=True))
        most = max(volume.largest / volume.level for volume in train + test)
        held = [Slices(part, self.sampling, (room[0], room[1])) for part in (train, test)]
        return Splits(*held, value_range=(0.0, most * (1 + ROUNDING)))

    def _volumes(self, part: Part) -> "list[Volume]":
        found = sorted(part.place.glob("*.h5"))
        patience = Patience(f"fastmri: looking through {part.name}", len(found))
        volumes = []
        for file in found:
            volume = _looked_at(file, self.sampling)
            patience.step(1)
            if self.acquisition in (None, volume.acquisition):
                volumes.append(volume)
        if len(volumes) < 1 + (part.name.endswith("train")):
            of = f" of acquisition {self.acquisition}" if self.acquisition else ""
            raise UsageError(
                f"fastmri: {len(volumes)} volumes{of} in {part.place}, which is too few; its files "
                f"(file1000001.h5, ...) are given out at {HOME}"
            )
        return volumes


@dataclass(frozen=True)
class Volume:
    """A file, and what has to be known of it before its slices are read.

    Attributes:
        slices: how many there are.
        coils: likewise; 1 of single-coil data.
        grid: rows and columns of k-space.
        size: of the images.
        largest: magnitude of all slices, as the file says.
        level: what its values are divided by.
        acquisition: the sequence.
    """

    file: Path
    slices: int
    coils: int
    grid: tuple[int, int]
    size: tuple[int, int]
    largest: float
    acquisition: str
    level: float = 1.0


def _looked_at(file: Path, sampling: Sampling) -> Volume:
    """What a file says of itself, and its level.

    Raises:
        UsageError: it is damaged, or of another layout.
    """
    spectra, images = opened(file, "kspace"), opened(file, _target(sampling))
    axes = 3 if sampling.coils == "single" else 4
    if spectra.ndim != axes or spectra.dtype.kind != "c" or images.ndim != 3:
        raise UsageError(
            f"fastmri: {file} holds kspace {spectra.shape} {spectra.dtype} and images {images.shape}; "
            f"{sampling.coils}-coil volumes are complex with {axes} axes and images with 3: another part "
            f"(say coils=...), or another version of the layout; see {HOME}"
        )
    grid, size = spectra.shape[-2:], images.shape[-2:]
    if len(images) != len(spectra) or grid[0] < size[0] or grid[1] < size[1]:
        raise UsageError(
            f"fastmri: {file}: {len(spectra)} slices of k-space {grid[0]}x{grid[1]} do not belong to "
            f"{len(images)} images of {size[0]}x{size[1]}; get the file again at {HOME}"
        )
    attributes = spectra.file.attrs
    if "max" not in attributes:
        raise UsageError(f"fastmri: {file} has no attribute max: another version of the layout; see {HOME}")
    volume = Volume(
        file, len(spectra), 1 if axes == 3 else spectra.shape[1], (grid[0], grid[1]), (size[0], size[1]),
        float(attributes["max"]), str(attributes.get("acquisition", "")),
    )  # fmt: skip
    middle = _slice(volume, "kspace", volume.slices // 2)[..., _low(volume, sampling)]
    level = float(np.sqrt((np.abs(middle) ** 2).sum(dtype=np.float64) / (size[0] * size[1])))
    if not level > 0:
        raise UsageError(f"fastmri: the middle slice of {file} is empty; get the file again at {HOME}")
    return replace(volume, level=level)


def _target(sampling: Sampling) -> str:
    return "reconstruction_esc" if sampling.coils == "single" else "reconstruction_rss"


def _low(volume: Volume, sampling: Sampling) -> Any:
    """The columns in the middle."""
    return centre(volume.grid[1], round(volume.grid[1] * sampling.centre_fraction))


def _slice(volume: Volume, key: str, number: int) -> Any:
    """One slice of an array of the file.

    Raises:
        UsageError: it cannot be read; file and slice are named.
    """
    try:
        return opened(volume.file, key)[number]
    except (OSError, RuntimeError, ValueError, IndexError) as error:
        raise UsageError(
            f"fastmri: {key}, slice {number} of {volume.file} cannot be read ({error}); get the file again "
            f"at {HOME}"
        ) from error


class Slices(Split):
    """The slices of volumes, with the k-space that was recorded of each."""

    def __init__(self, volumes: Sequence[Volume], sampling: Sampling, room: tuple[int, int]):
        self.volumes, self.sampling, self.room = list(volumes), sampling, room
        self.places = [(v, number) for v in self.volumes for number in range(v.slices)]
        self.groups = [volume.file.stem for volume, _ in self.places]

    def __len__(self) -> int:
        return len(self.places)

    @property
    def sizes(self) -> Sizes:
        return [volume.size for volume, _ in self.places]

    def __getitem__(self, index: int) -> Tensor:
        volume, number = self.places[index]
        if not self.sampling.phase:
            image = np.asarray(_slice(volume, _target(self.sampling), number), np.float32)
            return torch.from_numpy(image / np.float32(volume.level))[None]
        coils = inner(centred(torch.fft.ifft2, self._spectrum(volume, number)), volume.size)
        maps = self._maps(volume, number)
        return coils if maps is None else (maps.conj() * coils).sum(0, keepdim=True)

    def measurement(self, index: int) -> Tensor:
        volume, number = self.places[index]
        held = torch.zeros(volume.coils, *self.room, dtype=torch.complex64)
        spectrum = self._spectrum(volume, number)
        held[:, : volume.grid[0], : volume.grid[1]] = spectrum * self.lines(volume)
        return torch.cat([held.real, held.imag])

    def operator(self, indices: Sequence[int]) -> Operator:
        places = [self.places[index] for index in indices]
        scans = [Scan(v.grid, self.lines(v), self._maps(v, number)) for v, number in places]
        kind = Cartesian if self.sampling.phase else Magnitude
        first = places[0][0]
        return kind((1, *first.size), scans, first.coils, self.room)

    def lines(self, volume: Volume) -> Tensor:
        """The measured columns of a volume."""
        s = self.sampling
        drawn = mask(s.kind, volume.grid[1], s.acceleration, s.centre_fraction, volume.file.name)
        return torch.from_numpy(drawn)

    def digest(self) -> str:
        found = [v.file for v in self.volumes]
        found += [self.sampling.maps / v.file.name for v in self.volumes] if self.sampling.maps else []
        how = replace(self.sampling, maps=None)  # the folder's content counts, not its name
        names = [v.file.name for v in self.volumes]
        return hashlib.sha256(f"{files.digest(found)} {how} {names} {self.room}".encode()).hexdigest()

    def _spectrum(self, volume: Volume, number: int) -> Tensor:
        """K-space of all coils, ``(coils, rows, columns)`` complex64, at the volume's level."""
        spectrum = np.asarray(_slice(volume, "kspace", number), np.complex64) / np.float32(volume.level)
        return torch.from_numpy(spectrum).view(volume.coils, *volume.grid)

    def _maps(self, volume: Volume, number: int) -> Tensor | None:
        """Sensitivities, where images are combined by them."""
        if self.sampling.coils == "single" or not self.sampling.phase:
            return None
        if self.sampling.maps is None:
            low = torch.from_numpy(_low(volume, self.sampling))
            return sensitivities(self._spectrum(volume, number) * low, volume.size)
        given = replace(volume, file=self.sampling.maps / volume.file.name)
        maps = np.asarray(_slice(given, "sensitivities", number), np.complex64)
        if maps.shape != (volume.coils, *volume.size):
            raise UsageError(
                f"fastmri: sensitivities in {given.file} are {maps.shape} a slice, not "
                f"{(volume.coils, *volume.size)}"
            )
        return torch.from_numpy(maps)
