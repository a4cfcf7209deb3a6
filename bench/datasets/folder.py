"""A person's own images."""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageOps

from bench.datasets import Dataset, Splits
from bench.errors import UsageError, at_least
from bench.seeding import stream

#: File names that end in one of these are images.
SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm", ".pbm", ".pnm"}
)

Pixels = npt.NDArray[np.uint8]


class Folder(Dataset):
    """Any folder of images, subfolders included, split by file.

    Images are grey (one channel) if every file is grey, else colour (three); 16-bit grey is reduced
    to 8 bits, transparency is ignored, a photograph is turned upright by its EXIF tag, and of an
    animation the first picture counts. Hidden files and files that are no images by their name are
    passed over. The split is at random, the same for the same file names.

    Args:
        path: the folder.
        size: height and width in pixels: the largest central square of each image is reduced (or
            enlarged) to it. By default images are taken as they are, and have to be of one size.
        test_share: share of the files for testing, between 0 and 1.
    """

    def __init__(self, path: str, size: int | None = None, test_share: float = 0.1):
        if size is not None:
            at_least(1, size=size)
        if not 0 < test_share < 1:
            raise ValueError(f"test_share must lie between 0 and 1, not {test_share}")
        self.path = Path(path).expanduser()
        self.size = size
        self.test_share = test_share

    def load(self) -> Splits:
        files = self._files()
        pool = ThreadPoolExecutor()
        try:
            images = self._usable(files, pool.map(self._read, files))
        finally:
            pool.shutdown(cancel_futures=True)
        shape = (max(len(image) for image in images), *images[0].shape[1:])
        stacked = torch.from_numpy(np.stack([np.broadcast_to(image, shape) for image in images]))
        order = torch.randperm(len(files), generator=stream("cpu", "folder"))
        count = min(max(round(self.test_share * len(files)), 1), len(files) - 2)
        return Splits(train=stacked[order[count:]], test=stacked[order[:count]])

    def _files(self) -> list[Path]:
        if not self.path.is_dir():
            what = "is a file, not a folder" if self.path.exists() else "does not exist"
            raise UsageError(f"folder: {self.path} {what}; path names a folder of images")
        files = [f for f in self.path.rglob("*") if f.suffix.lower() in SUFFIXES and f.is_file()]
        files = [f for f in files if not any(p.startswith(".") for p in f.relative_to(self.path).parts)]
        if len(files) < 3:
            raise UsageError(
                f"folder: {len(files)} images in {self.path}, at least 3 are needed: to train, to choose "
                f"and to test; images are files that end in {' '.join(sorted(SUFFIXES))}"
            )
        return sorted(files, key=lambda f: f.relative_to(self.path).as_posix())

    def _read(self, file: Path) -> Pixels | str:
        """One image, ``(1, H, W)`` if it is grey, else ``(3, H, W)``; or why it cannot be read."""
        try:
            with Image.open(file) as opened:
                image = _eight_bit(ImageOps.exif_transpose(opened))
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            return str(error)
        if self.size is not None:
            image = ImageOps.fit(image, (self.size, self.size), Image.Resampling.LANCZOS)
        pixels = np.asarray(image)
        return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)

    def _usable(self, files: Sequence[Path], read: Iterable[Pixels | str]) -> list[Pixels]:
        """All images, or an error that names those that cannot be used."""
        images: list[Pixels] = []
        broken = []
        for file, image in zip(files, read, strict=True):
            if isinstance(image, str):
                broken.append(f"{file} ({image})")
                continue
            images.append(image)
            if image.shape[1:] != images[0].shape[1:]:
                sizes = ["x".join(map(str, each.shape[1:])) for each in (images[0], image)]
                raise UsageError(
                    f"folder: images of different sizes, {sizes[0]} and {sizes[1]} ({file}); set size, as in "
                    f"folder:path={self.path},size=64, to bring each image's central square to that size"
                )
        if broken:
            more = f" and {len(broken) - 3} more" if len(broken) > 3 else ""
            raise UsageError(
                f"folder: unreadable: {', '.join(broken[:3])}{more}; repair these files or move them away"
            )
        return images


def _eight_bit(image: Image.Image) -> Image.Image:
    """The image in mode L if it is grey, else in mode RGB.

    Raises:
        ValueError: its pixels are floating-point numbers.
    """
    if image.mode == "F":
        raise ValueError("floating-point pixels have no known range")
    if image.mode.startswith("I"):
        levels = np.asarray(image).astype(np.float64).clip(0, 65535)
        return Image.fromarray(np.round(levels / 257).astype(np.uint8))
    return image.convert("L" if image.mode in {"1", "L", "LA", "La"} else "RGB")
