"""Datasets: one file each; the file's name is the dataset's registry name."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor

from bench.datasets.shared.split import InMemory, Split, cut, nested, one_size, size_of_each
from bench.datasets.shared.values import Values
from bench.errors import UsageError

if TYPE_CHECKING:
    from bench.datasets.shared.download import Part

__all__ = ["Dataset", "InMemory", "Split", "Splits", "Values"]

#: What a split can be made of: ``(N, C, H, W)``, a list of ``(C, H, W)``, or anything that reads images.
Images = Split | Tensor | Sequence[Tensor]


class Splits:
    """Images for training, for choosing during training, and for testing, and what they stand for.

    Args:
        train: a :class:`Split`, a tensor ``(N, C, H, W)`` or a list of ``(C, H, W)``; uint8, uint16,
            float32 or complex64.
        test: likewise.
        validation: likewise; if left out, the harness cuts it from the training images.
        value_range: lowest and highest value of the images, in ``unit``.
        levels: of uint8 and uint16, which levels stand for the lowest and the highest value. Default: 0
            and 255 of uint8; uint16 has to say.
        unit: what the values are: ``intensity``, ``HU``, ``1/m``.
        crop: height and width of the windows that training takes. Default: whole images, or, where sizes
            differ, the largest window that fits in all of them.
        group_kind: what the splits' groups are: ``photograph``, ``patient``, ``volume``; for sentences on
            what a claim holds for.
        reconstructions: whether the images are themselves reconstructions (magnitude MRI, CT slices):
            measurements simulated from them are labelled so (Shimron et al., PNAS 2022).

    Raises:
        UsageError: images of another type, or values that lie outside what was declared.

    Example:
        >>> import torch
        >>> slices = torch.rand(10, 1, 16, 16) * 3000 - 1000
        >>> Splits(slices[:8], slices[8:], value_range=(-1000, 2000), unit="HU").image_shape
        (1, 16, 16)
    """

    def __init__(
        self,
        train: Images,
        test: Images,
        validation: Images | None = None,
        *,
        value_range: tuple[float, float] = (0.0, 1.0),
        levels: tuple[float, float] | None = None,
        unit: str = "intensity",
        crop: tuple[int, int] | None = None,
        group_kind: str = "group",
        reconstructions: bool = False,
    ):
        self.train = _split(train)
        self.test = _split(test)
        self.validation = None if validation is None else _split(validation)
        self.values = Values(value_range, levels)
        self.unit = unit
        self.crop = crop
        self.group_kind = group_kind
        self.reconstructions = reconstructions
        for name, split in self.named().items():
            if split.groups is not None and len(split.groups) != len(split):
                raise UsageError(f"{name}: {len(split.groups)} groups for {len(split)} images")
            if isinstance(split, InMemory):
                for images in [split.images] if isinstance(split.images, Tensor) else split.images:
                    self.values.check(images, name)

    def named(self) -> dict[str, Split]:
        """The splits that there are, by name."""
        named = {"train": self.train, "validation": self.validation, "test": self.test}
        return {name: split for name, split in named.items() if split is not None}

    @property
    def value_range(self) -> tuple[float, float]:
        """Lowest and highest value."""
        return self.values.value_range

    @property
    def dtype(self) -> torch.dtype:
        """Type of the images as values: float32, or complex64."""
        return torch.complex64 if self.train[0].is_complex() else torch.float32

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Shape of one image in training, ``(C, H, W)``: of a window where training takes those.

        Raises:
            UsageError: a crop that is larger than an image.
        """
        channels = self.train[0].shape[0]
        seen = [self.train] if self.validation is None else [self.train, self.validation]
        one = {one_size(split) for split in seen}
        if self.crop is None and len(one) == 1 and None not in one:
            return channels, *(one_size(self.train) or (0, 0))
        each = [size for split in seen for size in size_of_each(split)]
        height, width = (min(side) for side in zip(*each, strict=True))
        if self.crop is None:
            return channels, height, width
        if self.crop[0] > height or self.crop[1] > width:
            raise UsageError(
                f"windows of {self.crop[0]}x{self.crop[1]} pixels do not fit in all images: the least height "
                f"is {height}, the least width {width}"
            )
        return channels, *self.crop

    def digest(self) -> str:
        """SHA-256 of all images of all splits, and of what they stand for: the data's content."""
        sha = hashlib.sha256(repr((self.values, self.unit, self.crop)).encode())
        for name, split in self.named().items():
            sha.update(f"{name} {split.digest()}".encode())
        return sha.hexdigest()

    def with_validation(self, share: float = 0.05) -> "Splits":
        """The same images with a validation split: ``share`` of the training images, 1 to 1000.

        Where the training images have groups, whole groups are taken.

        Raises:
            UsageError: one training image, or images of one group.
        """
        if self.validation is not None:
            return self
        if len(self.train) < 2:
            raise UsageError(
                f"{len(self.train)} training image is too few: at least 2 are needed, one to choose by"
            )
        count = min(max(round(share * len(self.train)), 1), 1000)
        return self._holding(*cut(self.train, count, "validation"), self.crop)

    def of_size(self, count: int, seed: int = 0) -> "Splits":
        """The same with ``count`` training images, those of a smaller count among them.

        Which ones, hangs on the seed (:func:`bench.datasets.shared.split.nested`). Test and validation
        images stay as they are: what is chosen by them is the same for every count.

        Raises:
            UsageError: there are fewer.
        """
        if count > len(self.train):
            beside = f" beside the {len(self.validation):,} for validation" if self.validation else ""
            raise UsageError(f"there are {len(self.train):,} training images{beside}, fewer than {count:,}")
        train = nested(self.train, count, seed, "train size")
        # Where sizes differ, the window that fits in all of them is not to depend on the count.
        return self._holding(train, self.validation, self.image_shape[1:])

    def _holding(self, train: Split, validation: Split | None, crop: tuple[int, int] | None) -> "Splits":
        """The same test images and declarations with other images to learn from."""
        return Splits(
            train,
            self.test,
            validation,
            value_range=self.value_range,
            levels=self.values.levels,
            unit=self.unit,
            crop=crop,
            group_kind=self.group_kind,
            reconstructions=self.reconstructions,
        )


class Dataset(ABC):
    """A source of images. Its constructor's parameters can be set on the command line."""

    #: How its literature scores it: the name of a file in ``bench/protocols``.
    protocol: ClassVar[str] = "unit"
    #: Whether its splits bring the operator (:meth:`Split.operator`), so that none need be named.
    brings_operator: ClassVar[bool] = False

    def parts(self) -> "Sequence[Part]":
        """The folders and files of a published dataset: what ``bench fetch`` gets. Default: none."""
        return ()

    def fetch(self) -> None:
        """Download what is not here.

        Raises:
            UsageError: it can only be got by hand; where is said.
            BenchError: no network, no room, or a file that is not what was published.
        """
        from bench.datasets.shared.download import get

        for part in self.parts():
            get(part)

    @abstractmethod
    def load(self) -> Splits:
        """The images, the same at every call.

        Raises:
            UsageError: the images are not there or cannot be used; the message says what to do.
        """


def _split(images: Images) -> Split:
    return images if isinstance(images, Split) else InMemory(images)
