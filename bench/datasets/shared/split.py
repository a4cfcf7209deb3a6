"""The images of one split: in memory, memory-mapped, or read from files as they are needed."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from bench.errors import UsageError
from bench.seeding import stream

if TYPE_CHECKING:
    from bench.operators import Operator

#: One height and width, or those of every image.
Sizes = tuple[int, int] | Sequence[tuple[int, int]]


class Split(ABC):
    """Images of one split, each ``(C, H, W)`` uint8, uint16, float32 or complex64.

    A new one defines :meth:`__len__` and :meth:`__getitem__`. Worker processes call them too: open files
    where they are read, and read the same image at every call.

    Attributes:
        groups: the photograph, patient or volume that each image comes from: what statistics resample and
            what splits are cut by. None: each image stands alone.
    """

    groups: Sequence[str] | None = None

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def __getitem__(self, index: int) -> Tensor:
        """Image ``index``, ``(C, H, W)``, as it is stored."""

    @property
    def sizes(self) -> Sizes:
        """Height and width of all images, or a list with those of each. Default: the first one's for all."""
        height, width = self[0].shape[1:]
        return height, width

    def read(self, indices: Sequence[int]) -> Tensor:
        """Images of one size, ``(B, C, H, W)``."""
        return torch.stack([self[index] for index in indices])

    def measurement(self, index: int) -> Tensor | None:
        """The recorded measurement of image ``index``; None: the operator simulates it."""
        return None

    def measurements(self, indices: Sequence[int]) -> Tensor | None:
        """Recorded measurements, ``(B, *measurement_shape)``; None: the operator simulates them.

        Override it where several are read faster together than one by one.

        Raises:
            UsageError: some were recorded and others were not, or they differ in size.
        """
        recorded = [self.measurement(index) for index in indices]
        there = [y for y in recorded if y is not None]
        if there and len(there) < len(recorded):
            raise UsageError("some images have a recorded measurement and others have none")
        sizes = sorted({tuple(y.shape) for y in there})
        if len(sizes) > 1:
            told = " and ".join("x".join(map(str, size)) for size in sizes[:2])
            raise UsageError(
                f"recorded measurements differ in size ({told}); a batch has one size: crop or pad them"
            )
        return torch.stack(there) if there else None

    def operator(self, indices: Sequence[int]) -> "Operator | None":
        """The operator that recorded these images, where the dataset brings one.

        Geometry, masks or coil maps may differ from image to image: it takes the images ``indices`` as one
        batch, in their order.
        """
        return None

    def taken(self, indices: Sequence[int]) -> "Split":
        """Some of its images, as a split of their own.

        Override it where the images lie in attributes: nothing should lead from training to test images.
        """
        return Subset(self, indices)

    def digest(self) -> str:
        """SHA-256 of the content, measurements included. Default: all of it is read.

        A split that lies in large files does better to combine what
        :func:`bench.datasets.shared.files.digest` says of them with what it takes from them.
        """
        sha = hashlib.sha256(repr(list(self.groups) if self.groups is not None else None).encode())
        for index in range(len(self)):
            for tensor in (self[index], self.measurement(index)):
                if tensor is not None:
                    sha.update(f"{tuple(tensor.shape)} {tensor.dtype}".encode())
                    sha.update(tensor.contiguous().numpy().data)
        return sha.hexdigest()

    @property
    def nbytes(self) -> int:
        """Memory that all images would take."""
        first = self[0]
        pixels = sum(h * w for h, w in size_of_each(self))
        return pixels * first.shape[0] * first.element_size()


class InMemory(Split):
    """Images in memory.

    Args:
        images: ``(N, C, H, W)``, or a list of ``(C, H, W)`` where sizes differ; tensors or NumPy arrays.
        groups: what each comes from.

    Raises:
        UsageError: another number of axes, or not one group per image.
    """

    def __init__(self, images: Tensor | Sequence[Tensor], groups: Sequence[str] | None = None):
        one = isinstance(images, Tensor | np.ndarray)
        self.images = _tensor(images) if one else [_tensor(image) for image in images]
        for image in self.images[:1] if isinstance(self.images, Tensor) else self.images:
            if image.dim() != 3:
                raise UsageError(f"each image must be (channels, height, width), not {tuple(image.shape)}")
        self.groups = groups

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Tensor:
        return self.images[index]

    @property
    def sizes(self) -> Sizes:
        if isinstance(self.images, Tensor):
            height, width = self.images.shape[2:]
            return height, width
        each = [(image.shape[1], image.shape[2]) for image in self.images]
        return each[0] if len(set(each)) == 1 else each

    def read(self, indices: Sequence[int]) -> Tensor:
        if isinstance(self.images, Tensor):
            return self.images[torch.as_tensor(indices)]
        return super().read(indices)

    def taken(self, indices: Sequence[int]) -> Split:
        if type(self) is not InMemory:
            return Subset(self, indices)
        groups = None if self.groups is None else [self.groups[i] for i in indices]
        if isinstance(self.images, Tensor):
            return InMemory(self.read(indices), groups)
        return InMemory([self.images[i] for i in indices], groups)


class Subset(Split):
    """Some images of another split."""

    def __init__(self, split: Split, indices: Sequence[int]):
        self.split, self.indices = split, list(indices)
        self.groups = None if split.groups is None else [split.groups[i] for i in self.indices]

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> Tensor:
        return self.split[self.indices[index]]

    @property
    def sizes(self) -> Sizes:
        if one_size(self.split):
            return self.split.sizes
        each = size_of_each(self.split)
        return [each[i] for i in self.indices]

    def read(self, indices: Sequence[int]) -> Tensor:
        return self.split.read([self.indices[index] for index in indices])

    def measurement(self, index: int) -> Tensor | None:
        return self.split.measurement(self.indices[index])

    def measurements(self, indices: Sequence[int]) -> Tensor | None:
        return self.split.measurements([self.indices[index] for index in indices])

    def operator(self, indices: Sequence[int]) -> "Operator | None":
        return self.split.operator([self.indices[index] for index in indices])

    def digest(self) -> str:
        return hashlib.sha256(f"{self.split.digest()} {self.indices}".encode()).hexdigest()


def one_size(split: Split) -> tuple[int, int] | None:
    """Height and width of all images; None if they differ."""
    sizes = split.sizes
    if len(sizes) == 2 and isinstance(sizes[0], int):
        return sizes  # type: ignore[return-value]
    different = {tuple(size) for size in sizes}  # type: ignore[arg-type]
    return different.pop() if len(different) == 1 else None  # type: ignore[return-value]


def size_of_each(split: Split) -> Sequence[tuple[int, int]]:
    """Height and width of each image."""
    size = one_size(split)
    return [size] * len(split) if size else split.sizes  # type: ignore[return-value]


def cut(split: Split, count: int, *key: int | str) -> tuple[Split, Split]:
    """A split in two at random: the rest, and about ``count`` images; no group is in both.

    Args:
        split: of at least two images, or groups where it has them.
        count: images to take away; whole groups, until there are as many.
        *key: of the random stream.

    Raises:
        UsageError: there is but one group, or one image.
    """
    members = _shuffled(split, *key)
    if len(members) < 2:
        what = f"group ({next(iter(members))})" if split.groups is not None and members else "image"
        raise UsageError(f"{len(members)} {what} is too few to be cut in two: at least 2 are needed")
    away: list[int] = []
    for name in list(members)[:-1]:
        if len(away) >= count:
            break
        away += members.pop(name)
    return split.taken(_flat(members.values())), split.taken(away)


def nested(split: Split, count: int, *key: int | str) -> Split:
    """The first ``count`` images of one random order: those of a smaller count are among them.

    Where images have groups, these come whole, one after another, and the last one is cut, so that fewer
    images are those of fewer patients, not fewer of each patient.

    Args:
        split: of at least so many images.
        count: images to take.
        *key: of the random stream.
    """
    generator = stream("cpu", *key, "within")
    members = _shuffled(split, *key).values()
    order = [own[i] for own in members for i in torch.randperm(len(own), generator=generator).tolist()]
    return split.taken(sorted(order[:count]))


def _shuffled(split: Split, *key: int | str) -> dict[str, list[int]]:
    """The images of each group, groups in random order; where there are none, each image is one."""
    names = list(split.groups) if split.groups is not None else [str(i) for i in range(len(split))]
    different = list(dict.fromkeys(names))
    order = torch.randperm(len(different), generator=stream("cpu", *key)).tolist()
    members: dict[str, list[int]] = {different[i]: [] for i in order}
    for index, name in enumerate(names):
        members[name].append(index)
    return members


def _flat(parts: Iterable[list[int]]) -> list[int]:
    return [index for part in parts for index in part]


def _tensor(images: Any) -> Tensor:
    return torch.as_tensor(images)
