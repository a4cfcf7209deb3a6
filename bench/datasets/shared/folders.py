"""Folders of picture files as splits."""

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor

from bench.datasets import InMemory, Split
from bench.datasets.shared import files
from bench.datasets.shared.pictures import UNREADABLE, picture
from bench.datasets.shared.reading import KEPT
from bench.datasets.shared.scale import Scale
from bench.datasets.shared.split import Sizes
from bench.errors import UsageError

#: File names that end in one of these are images.
SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm", ".pbm", ".pnm"}
)

A = TypeVar("A")
T = TypeVar("T")


class Pictures(Split):
    """Picture files that are read as they are needed."""

    def __init__(
        self,
        found: Sequence[Path],
        sizes: Sequence[tuple[int, int]],
        channels: int,
        scale: Scale,
        side: int | None,
    ):
        self.found, self._sizes = list(found), list(sizes)
        self.channels, self.scale, self.side = channels, scale, side

    def __len__(self) -> int:
        return len(self.found)

    def __getitem__(self, index: int) -> Tensor:
        return picture(self.found[index], self.channels, self.scale, self.side)

    @property
    def sizes(self) -> Sizes:
        return self._sizes if self.side is None else (self.side, self.side)

    def taken(self, indices: Sequence[int]) -> Split:
        found = [self.found[index] for index in indices]
        sizes = [self._sizes[index] for index in indices]
        return Pictures(found, sizes, self.channels, self.scale, self.side)

    def digest(self) -> str:
        how = f"{self.channels} {self.scale} {self.side}"
        return hashlib.sha256(f"{files.digest(self.found)} {how}".encode()).hexdigest()


def kept(dataset: str, pictures: Pictures) -> Split:
    """The same pictures in memory where they take no more than 512 MiB, as a tensor if of one size.

    Raises:
        UsageError: a file cannot be read.
    """
    if pictures.nbytes > KEPT:
        return pictures
    images = each(dataset, lambda index: pictures[index], range(len(pictures)), pictures.found)
    one = len({(i.shape, i.dtype) for i in images}) == 1
    return InMemory(torch.stack(images) if one else images)


def each(
    dataset: str, read: Callable[[A], T], items: Sequence[A], named: Sequence[Path] | None = None
) -> list[T]:
    """What ``read`` makes of every file, by several threads.

    Args:
        dataset: for messages.
        read: reads one.
        items: what it is given: the files themselves, or numbers of those in ``named``.
        named: the files, where items are none.

    Raises:
        UsageError: some cannot be read; they are named.
    """

    def attempt(item: A) -> T | str:
        try:
            return read(item)
        except UNREADABLE as error:
            return str(error) or type(error).__name__

    pool = ThreadPoolExecutor()
    try:
        made = list(pool.map(attempt, items))
    finally:
        pool.shutdown(cancel_futures=True)
    of = named or items
    broken = [f"{file} ({why})" for file, why in zip(of, made, strict=True) if isinstance(why, str)]
    if broken:
        more = f" and {len(broken) - 3} more" if len(broken) > 3 else ""
        raise UsageError(
            f"{dataset}: unreadable: {', '.join(broken[:3])}{more}; repair these files or move them away"
        )
    return [one for one in made if not isinstance(one, str)]
