"""A person's own images."""

import os
from pathlib import Path
from typing import Literal

from bench.datasets import Dataset, Split, Splits
from bench.datasets.shared.folders import SUFFIXES, Pictures, each, kept
from bench.datasets.shared.pictures import head
from bench.datasets.shared.scale import declared
from bench.datasets.shared.split import cut
from bench.errors import UsageError, at_least, in_memory, without_effect


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
        heads = each("folder", head, found)
        channels = {True: 3, False: 1, None: max(h[0] for h in heads)}[self.colour]
        side = self.size if self.crop == "centre" else None
        whole: Split = kept("folder", Pictures(found, [h[1:] for h in heads], channels, self.scale, side))
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
