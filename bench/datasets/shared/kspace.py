"""Volumes of k-space, one HDF5 file each: what the readers of recorded MRI have in common."""

import hashlib
import os
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from bench.datasets import Split
from bench.datasets.shared import files, masks
from bench.datasets.shared.layout import Layout
from bench.datasets.shared.rows import Rows
from bench.datasets.shared.split import Sizes
from bench.datasets.shared.volumes import opened
from bench.errors import UsageError
from bench.operators import Operator
from bench.operators.shared.cartesian import Cartesian, Magnitude, Scan, centred, inner, rss, sensitivities

#: Complex images are transformed again from k-space: rounding may lead beyond the largest magnitude stored.
ROUNDING = 1e-3


@dataclass(frozen=True)
class Sampling:
    """What is taken from k-space, and what the images are.

    Attributes:
        kind: how columns are drawn, or ``poisson``: given patterns of rows and columns.
        acceleration: all of k-space over what is measured of it.
        centre_fraction: share of the columns in the middle; of columns alone.
        patterns: folder of given patterns.
        phase: whether images are complex.
        maps: folder of given sensitivities; None: they are estimated from the middle of k-space.
    """

    kind: masks.Kind | Literal["poisson"]
    acceleration: int
    centre_fraction: float = 0.0
    patterns: Path | None = None
    phase: bool = False
    maps: Path | None = None


@dataclass(frozen=True)
class Volume:
    """A file, and what has to be known of it before its slices are read.

    Attributes:
        numbers: of the slices that are used.
        coils: how many there are.
        grid: rows and columns of k-space.
        size: of the images.
        largest: magnitude of all slices, as stored.
        level: what values are divided by.
        acquisition: the sequence.
    """

    file: Path
    numbers: range
    coils: int
    grid: tuple[int, int]
    size: tuple[int, int]
    largest: float
    acquisition: str = ""
    level: float = 1.0


class Pattern(NamedTuple):
    """What of k-space is measured, ``(columns,)`` or ``(rows, columns)`` bool, and of that the middle."""

    measured: Any
    low: Any


class KSpace(Split):
    """The slices of volumes, with the k-space that was recorded of each.

    A reader defines :meth:`spectrum`, and :meth:`magnitude` where its files hold the images too. Each volume
    is divided by its ``level``: the root mean square of the middle of its middle slice's k-space, which is
    measured and thus known.

    Args:
        volumes: of which slices are taken.
        sampling: what is measured of them.
        room: coils, rows and columns that hold every volume's; what one lacks of them is 0.
    """

    layout: ClassVar[Layout]

    def __init__(self, volumes: Sequence[Volume], sampling: Sampling, room: tuple[int, int, int]):
        self.volumes, self.sampling, self.room = list(volumes), sampling, room
        self.places = [(volume, number) for volume in self.volumes for number in volume.numbers]
        self.groups = [volume.file.stem for volume, _ in self.places]

    @classmethod
    @abstractmethod
    def spectrum(cls, volume: Volume, number: int) -> Any:
        """K-space of all coils as stored, its origin in the middle, ``(coils, rows, columns)`` complex64."""

    @classmethod
    def magnitude(cls, volume: Volume, number: int) -> Any:
        """The image as stored, ``(H, W)`` float32. Default: root of the sum of squares over coils."""
        spectrum = torch.from_numpy(cls.spectrum(volume, number))
        return rss(inner(centred(torch.fft.ifft2, spectrum), volume.size))[0].numpy()

    @classmethod
    def levelled(cls, volume: Volume, sampling: Sampling) -> Volume:
        """A volume with its level.

        Raises:
            UsageError: its middle slice is empty or cannot be read.
        """
        middle = cls.spectrum(volume, volume.numbers[len(volume.numbers) // 2])
        with cls.layout.naming(volume.file):
            low = pattern(sampling, volume).low
        energy = (np.abs(middle[..., low]) ** 2).sum(dtype=np.float64)
        level = float(np.sqrt(energy / (volume.size[0] * volume.size[1])))
        if not 0 < level < np.inf:
            raise cls.layout.error(volume.file, "has an empty middle slice; get it again")
        return replace(volume, level=level)

    @classmethod
    def slice(cls, file: Path, key: str, number: int) -> Any:
        """One slice of an array of a file; file, array and slice are named if it cannot be read."""
        with cls.layout.naming(file):
            rows = stored(file, key)
        found = np.empty((1, *rows.shape[1:]), rows.dtype)
        try:
            rows.read([number], found)
        except (OSError, RuntimeError, ValueError, IndexError) as error:
            raise cls.layout.error(
                file, f"is damaged: {key}, slice {number}, cannot be read ({error}); get it again"
            ) from error
        return found[0]

    def __len__(self) -> int:
        return len(self.places)

    @property
    def sizes(self) -> Sizes:
        return [volume.size for volume, _ in self.places]

    def __getitem__(self, index: int) -> Tensor:
        volume, number = self.places[index]
        if not self.sampling.phase:
            return torch.from_numpy(self.magnitude(volume, number) * np.float32(1 / volume.level))[None]
        coils = inner(centred(torch.fft.ifft2, self._levelled(volume, number)), volume.size)
        maps = self._maps(volume, number)
        return coils if maps is None else (maps.conj() * coils).sum(0, keepdim=True)

    def measurement(self, index: int) -> Tensor:
        return self.measurements([index])[0]

    def measurements(self, indices: Sequence[int]) -> Tensor:
        found = np.zeros((len(indices), 2, *self.room), np.float32)
        for held, index in zip(found, indices, strict=True):
            volume, number = self.places[index]
            spectrum = self.spectrum(volume, number)
            weights = pattern(self.sampling, volume).measured * np.float32(1 / volume.level)
            window = held[:, : volume.coils, : volume.grid[0], : volume.grid[1]]
            np.multiply(spectrum.real, weights, out=window[0])
            np.multiply(spectrum.imag, weights, out=window[1])
        return torch.from_numpy(found).flatten(1, 2)

    def operator(self, indices: Sequence[int]) -> Operator:
        places = [self.places[index] for index in indices]
        kind = Cartesian if self.sampling.phase else Magnitude
        scans = [Scan(v.grid, self.measured(v), self._all_maps(v, number)) for v, number in places]
        return kind((1, *places[0][0].size), scans, self.room[0], self.room[1:])

    def measured(self, volume: Volume) -> Tensor:
        """The measured columns of a volume, or rows and columns."""
        return torch.from_numpy(pattern(self.sampling, volume).measured)

    def digest(self) -> str:
        found = [v.file for v in self.volumes]
        found += [self.sampling.maps / v.file.name for v in self.volumes] if self.sampling.maps else []
        how = replace(self.sampling, maps=None, patterns=None)  # the folders' content counts, not their names
        taken = [(v.file.name, v.numbers, pattern(self.sampling, v).measured.tobytes()) for v in self.volumes]
        return hashlib.sha256(f"{files.digest(found)} {how} {taken} {self.room}".encode()).hexdigest()

    def _levelled(self, volume: Volume, number: int) -> Tensor:
        return torch.from_numpy(self.spectrum(volume, number) * np.float32(1 / volume.level))

    def _all_maps(self, volume: Volume, number: int) -> Tensor | None:
        """Sensitivities of as many coils as any volume has: those that this one lacks see nothing."""
        maps = self._maps(volume, number)
        return None if maps is None else pad(maps, (0, 0, 0, 0, 0, self.room[0] - volume.coils))

    def _maps(self, volume: Volume, number: int) -> Tensor | None:
        """Sensitivities, where images are combined by them."""
        if volume.coils == 1 or not self.sampling.phase:
            return None
        if self.sampling.maps is None:
            low = torch.from_numpy(pattern(self.sampling, volume).low)
            return sensitivities(self._levelled(volume, number) * low, volume.size)
        file = self.sampling.maps / volume.file.name
        maps = np.asarray(self.slice(file, "sensitivities", number), np.complex64)
        if maps.shape != (volume.coils, *volume.size):
            raise UsageError(
                f"{self.layout.name}: sensitivities in {file} are {maps.shape} a slice, not "
                f"{(volume.coils, *volume.size)}"
            )
        return torch.from_numpy(maps)


def pattern(sampling: Sampling, volume: Volume) -> Pattern:
    """What is measured of a volume: the same at every call.

    Raises:
        UsageError: given patterns are not there, or of another size.
    """
    if sampling.kind == "poisson":
        return _given(sampling.patterns or Path(), sampling.acceleration, volume.grid, volume.file.name)
    return _drawn(sampling, volume.grid[1], volume.file.name)


def stored(file: Path, key: str) -> Rows:
    """The slices of an array of a file, which stays open.

    Raises:
        UsageError: the file cannot be read, or holds no such array; the message names both.
    """
    try:
        return _stored(file, key, os.getpid(), file.stat().st_mtime_ns)
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {type(error).__name__}: {error}") from error


@lru_cache(maxsize=256)
def _stored(file: Path, key: str, process: int, changed: int) -> Rows:
    return Rows(opened(file, key))


@lru_cache(maxsize=4096)
def _drawn(sampling: Sampling, width: int, name: str) -> Pattern:
    assert sampling.kind != "poisson"
    chosen = masks.mask(sampling.kind, width, sampling.acceleration, sampling.centre_fraction, name)
    return Pattern(chosen, masks.centre(width, round(width * sampling.centre_fraction)))


def _given(folder: Path, acceleration: int, grid: tuple[int, int], name: str) -> Pattern:
    file = folder / f"R{acceleration}_{grid[0]}x{grid[1]}.npy"
    if not file.is_file():
        raise UsageError(
            f"{file} is missing: the patterns of {grid[0]}x{grid[1]} at {acceleration}x; get them by bench "
            "fetch cc359:root=..., or say mask=random"
        )
    every = _patterns(file, file.stat().st_mtime_ns)
    if every.ndim != 3 or every.shape[1:] != grid:
        raise UsageError(f"{file} holds {every.shape}, patterns (N, {grid[0]}, {grid[1]}) are expected")
    chosen = np.random.RandomState(tuple(map(ord, name))).randint(0, len(every))
    return Pattern(every[chosen], every.all(0))


@lru_cache(maxsize=8)
def _patterns(file: Path, changed: int) -> Any:
    try:
        return np.load(file, allow_pickle=False).astype(bool)
    except (OSError, ValueError, EOFError) as error:
        raise UsageError(
            f"{file} holds no array of patterns ({type(error).__name__}); get it again"
        ) from error
