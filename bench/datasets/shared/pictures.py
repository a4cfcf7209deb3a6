"""Picture files: 8 and 16 bits, floats, grey and colour."""

from pathlib import Path
from typing import Any

import numpy as np
import tifffile
import torch
from PIL import Image, ImageOps
from torch import Tensor

from bench.datasets.shared.scale import Scale

#: Weights of red, green and blue in grey (BT.601), as Pillow's.
GREY = (0.299, 0.587, 0.114)
#: Pillow's modes of grey images, and of those with more than 8 bits.
GREY_MODES, DEEP_MODES = frozenset({"1", "L", "LA", "La"}), ("I", "F")
#: What a file that is no picture makes a reader raise.
UNREADABLE = (
    OSError,
    ValueError,
    SyntaxError,
    KeyError,
    Image.DecompressionBombError,
    tifffile.TiffFileError,
)


def head(file: Path) -> tuple[int, int, int]:
    """Channels (1 or 3), height and width of a picture, upright; its pixels are not read."""
    if (numbers := _deep_tiff(file)) is not None:
        return numbers.shape  # type: ignore[no-any-return]
    with Image.open(file) as opened:
        _refuse_deep_colour(opened)
        grey = opened.mode in GREY_MODES or opened.mode.startswith(DEEP_MODES)
        turned = opened.getexif().get(0x0112, 1) >= 5
        width, height = opened.size[::-1] if turned else opened.size
        return 1 if grey else 3, height, width


def picture(file: Path, channels: int, scale: Scale, side: int | None = None) -> Tensor:
    """A picture as ``(channels, H, W)``: uint8 levels, or float32 in [0, 1] where ``scale`` says so.

    It is turned upright by its EXIF tag; transparency is ignored, and of an animation the first one counts.

    Args:
        file: what is read.
        channels: 1: colour becomes grey; 3: grey is repeated.
        scale: what its numbers stand for.
        side: the largest central square is brought to so many pixels (Lanczos).

    Raises:
        UsageError: numbers without a declared range.
        ValueError: 16-bit colour in another file than a TIFF; other errors of :data:`UNREADABLE`.
    """
    numbers = _deep_tiff(file)
    if numbers is None:
        with Image.open(file) as opened:
            _refuse_deep_colour(opened)
            image = ImageOps.exif_transpose(opened)
        if not image.mode.startswith(DEEP_MODES):
            image = image.convert("L" if image.mode in GREY_MODES else "RGB")
            image = image.convert("L") if channels == 1 else image
            if side is not None:
                image = ImageOps.fit(image, (side, side), Image.Resampling.LANCZOS)
                side = None
        numbers = np.array(image)
        numbers = numbers[None] if numbers.ndim == 2 else numbers.transpose(2, 0, 1)
    values = scale(numbers, str(file))
    if channels == 1 and len(values) == 3:
        weights = torch.tensor(GREY).view(3, 1, 1)
        values = (values * weights).sum(0, keepdim=True)
    if side is not None:
        values = torch.stack([_square(channel, side) for channel in values])
    return values.expand(channels, -1, -1)


def _square(channel: Tensor, side: int) -> Tensor:
    fitted = ImageOps.fit(Image.fromarray(channel.float().numpy()), (side, side), Image.Resampling.LANCZOS)
    return torch.from_numpy(np.array(fitted)).clamp(float(channel.min()), float(channel.max()))


def _refuse_deep_colour(opened: Image.Image) -> None:
    """Raise a ValueError for colour of more than 8 bits: Pillow would drop the lower ones and not say so."""
    tiles: Any = [tile[3] for tile in getattr(opened, "tile", [])]
    many = opened.format == "PPM" and any(isinstance(tile, tuple) and tile[-1] > 255 for tile in tiles)
    deep = many or any(";16" in str(tile) for tile in tiles)
    if deep and not opened.mode.startswith(DEEP_MODES):
        raise ValueError(f"colour of 16 bits is read from TIFF, not from {opened.format}; convert it")


def _deep_tiff(file: Path) -> Any:
    """The numbers ``(3, H, W)`` of a colour TIFF of more than 8 bits, which Pillow cannot read; else None."""
    if not file.suffix.lower().startswith(".tif"):
        return None
    with tifffile.TiffFile(file) as opened:
        page: Any = opened.pages[0]
        if page.samplesperpixel < 3 or page.dtype.itemsize == 1:
            return None
        numbers = page.asarray()
    return numbers[:3] if page.planarconfig == 2 else np.moveaxis(numbers[..., :3], -1, 0)
