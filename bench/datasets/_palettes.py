"""Colours of photographs: palettes for images that are drawn."""

from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from bench.datasets._hashing import Words, streams, words

#: Photographs without loss: how a JPEG is decoded differs between versions of the decoder.
PHOTOGRAPHS = ("astronaut.png", "chelsea.png", "coffee.png", "ihc.png", "motorcycle_left.png")
#: A palette is a grid of this many pixels a side, so many pixels apart.
SIDE, SPACINGS = 8, (1, 3, 6, 12, 16)
#: Share of a photograph's width, at its left: ``photos`` trains there on windows of up to 96x96.
TRAINING = 0.5


def palettes(seeds: Words, purpose: int) -> npt.NDArray[np.uint8]:
    """One palette for each seed, ``(B, 64, 3)`` sRGB: a window of a training region of a photograph."""
    found = np.empty((len(seeds), SIDE, SIDE, 3), np.uint8)
    drawn = words(streams(seeds, purpose)[:, None], np.arange(4))
    for image, (which, spacing, row, column) in zip(found, drawn.tolist(), strict=True):
        photograph = region(PHOTOGRAPHS[which % len(PHOTOGRAPHS)])
        step = SPACINGS[spacing % len(SPACINGS)]
        reach = (SIDE - 1) * step + 1
        top, left = row % (len(photograph) - reach), column % (photograph.shape[1] - reach)
        image[:] = photograph[top : top + reach : step, left : left + reach : step]
    return found.reshape(len(seeds), -1, 3)


@cache
def region(name: str) -> npt.NDArray[np.uint8]:
    """The region of a photograph that palettes are taken from, ``(H, W, 3)``."""
    import skimage

    with Image.open(Path(skimage.__file__).parent / "data" / name) as file:
        pixels = np.asarray(file.convert("RGB"))
    return np.ascontiguousarray(pixels[:, : int(TRAINING * pixels.shape[1])])
