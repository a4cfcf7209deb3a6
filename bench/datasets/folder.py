"""A person's own images."""

import hashlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal, TypeVar

import torch
from torch import Tensor

from bench.datasets import Dataset, InMemory, Split, Splits
from bench.datasets.shared import files
from bench.datasets.shared.pictures import UNREADABLE, head, picture
from bench.datasets.shared.reading import KEPT
from bench.datasets.shared.scale import Scale, declared
from bench.datasets.shared.split import Sizes, cut
from bench.errors import UsageError, at_least, in_memory, without_effect

#: File names that end in one of these are images.
SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm", ".pbm", ".pnm"}
)

T = TypeVar("T")


class Folder(Dataset):
    """Any folder of images, subfolders included, split by file.

    Images are grey (one channel) if every file is grey, else colour (three); transparency is ignored, a
    photograph is turned upright by its EXIF tag, and of an animation the first picture counts. Hidden files
    and files that are no images by their name are passed over. The split is at random, the same for the
    same file names. What takes more than 512 MiB is read from the files as it is needed.

    Images may differ in size: training takes windows, test images come whole, one by one.

    Args:
        path: the folder.
        size: side in pixels of what ``crop`` makes.
        crop: ``centre``: the largest central square of each image, reduced (or enlarged) to ``size``;
            ``random``: training takes windows of ``size``, others in each epoch; ``none``: images as they
            are (where they differ in size, training takes the largest windows that fit in all). Default:
            ``centre`` if ``size`` is given, else ``none``.
        colour: whether all become colour, or all grey; default: see above.
        range: lowest and highest number, ``0,4095``: they become 0 and 1. Needed for more than 8 bits, and
            for floats that leave [0, 1].
        window: centre and width, ``40,400``: what lies outside is cut off.
        test_share: share of the files for testing, between 0 and 1.

    Raises:
        ValueError: a value outside its range, or one without effect.
    """

    def __init__(
        self,
        path: str,
        size: int | None = None,
        crop: Literal["random", "centre", "none"] | None = None,
        colour: bool | None = None,
        range: str | None = None,
        window: str | None = None,
        test_share: float = 0.1,
    ):
        if size is not None:
            at_least(1, size=size)
            in_memory(3 * 4 * size**2, size=size)  # one image, in colour, as float32
        if not 0 < test_share < 1:
            raise ValueError(f"test_share must lie between 0 and 1, not {test_share}")
        self.crop = crop or ("none" if size is None else "centre")
        if self.crop == "none":
            without_effect("crop=none", size=size)
        elif size is None:
            raise ValueError(f"crop={crop} needs a size, as in size=64,crop={crop}")
        self.path = Path(os.path.expanduser(path))  # the home of nobody stays as it is written
        self.size, self.colour, self.test_share = size, colour, test_share
        self.scale = declared(range, window)

    def load(self) -> Splits:
        found = self._files()
        heads = self._each(head, found)
        channels = {True: 3, False: 1, None: max(h[0] for h in heads)}[self.colour]
        side = self.size if self.crop == "centre" else None
        whole: Split = Pictures(found, [h[1:] for h in heads], channels, self.scale, side)
        if whole.nbytes <= KEPT:
            images = self._each(lambda file: picture(file, channels, self.scale, side), found)
            one = len({(i.shape, i.dtype) for i in images}) == 1
            whole = InMemory(torch.stack(images) if one else images)
        count = min(max(round(self.test_share * len(found)), 1), len(found) - 2)
        train, test = cut(whole, count, "folder")
        window = (self.size, self.size) if self.crop == "random" and self.size else None
        return Splits(train, test, crop=window)

    def _files(self) -> list[Path]:
        if not self.path.is_dir():
            what = "is a file, not a folder" if self.path.exists() else "does not exist"
            raise UsageError(f"folder: {self.path} {what}; path names a folder of images")
        found = [f for f in self.path.rglob("*") if f.suffix.lower() in SUFFIXES and f.is_file()]
        found = [f for f in found if not any(p.startswith(".") for p in f.relative_to(self.path).parts)]
        if len(found) < 3:
            raise UsageError(
                f"folder: {len(found)} images in {self.path}, at least 3 are needed: to train, to choose "
                f"and to test; images are files that end in {' '.join(sorted(SUFFIXES))}"
            )
        return sorted(found, key=lambda f: f.relative_to(self.path).as_posix())

    def _each(self, read: Callable[[Path], T], found: Sequence[Path]) -> list[T]:
        """What ``read`` makes of every file, or an error that names those that cannot be read."""

        def attempt(file: Path) -> T | str:
            try:
                return read(file)
            except UNREADABLE as error:
                return str(error) or type(error).__name__

        pool = ThreadPoolExecutor()
        try:
            made = list(pool.map(attempt, found))
        finally:
            pool.shutdown(cancel_futures=True)
        broken = [f"{file} ({why})" for file, why in zip(found, made, strict=True) if isinstance(why, str)]
        if broken:
            more = f" and {len(broken) - 3} more" if len(broken) > 3 else ""
            raise UsageError(
                f"folder: unreadable: {', '.join(broken[:3])}{more}; repair these files or move them away"
            )
        return [one for one in made if not isinstance(one, str)]


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
