"""The light of dead leaves: colours, shading and texture of each, and the camera that sees them.

Integer hashing and single + - x / sqrt of float32, which IEEE 754 rounds in one way only.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bench.datasets import _textures
from bench.datasets._hashing import Floats, Words, bits, streams, uniform, words
from bench.datasets._leaves_shapes import Ids, Ints, Leaves
from bench.datasets._palettes import palettes
from bench.datasets._srgb import STEPS, to_level, to_linear

#: Colours lie this much farther apart than in the palette; the haziest images have a tenth of it.
CONTRAST, HAZIEST, CLEARING = 2.8, 0.1, 1.4
#: How much farther they lie from grey.
SATURATION = 1.1
#: Sites of an image, and how far the colours of leaves are pulled to that of the nearest one.
SITES, PULL = 5, 0.4
#: Share of images in the shade, and how dark it can be. The light there is the sky's, bluish.
SHADED, DARKEST = 0.31, 0.13
#: Change of a leaf's light from edge to edge, and deviation of its texture, at most.
SHADING, TEXTURE = 0.5, 0.52
#: Directions of textures, four long.
DIRECTIONS = np.array(
    [
        *[(4, 0), (4, 1), (4, 2), (3, 2), (3, 3), (2, 3), (2, 4), (1, 4)],
        *[(0, 4), (-1, 4), (-2, 4), (-2, 3), (-3, 3), (-3, 2), (-4, 2), (-4, 1)],
    ],
    np.int32,
)
#: Luminance of linear red, green and blue (ITU-R BT.709).
LUMINANCE = (0.2126, 0.7152, 0.0722)
#: Samples that are shaded at once.
AT_ONCE = 2**14

F = np.float32


@dataclass(frozen=True)
class Surfaces:
    """What leaves look like, by their ids; the backgrounds first.

    Attributes:
        light: linear light in [0, 1], ``(L, C)``.
        shading: ``k, kx, ky`` of the factor ``k + kx x + ky y``, x and y in samples, and the weight of the
            texture, ``(L, 4)``.
        texture: where it begins in the bank, row and column in it, and its direction, ``(L, 5)``.
    """

    light: Floats
    shading: Floats
    texture: Ids


def surfaces(leaves: Leaves, side: int, samples: int, colour: bool) -> Surfaces:
    """Colours, shadings and textures of leaves."""
    count, total = len(leaves.seeds), len(leaves.seeds) + len(leaves.id)
    mood = words(streams(leaves.seeds, 8), np.zeros(1, np.int64))
    light, shading, texture = np.empty((total, 3), F), np.zeros((total, 4), F), np.zeros((total, 5), np.int32)
    light[:count], light[leaves.id] = _colours(leaves, side, uniform(mood, 2))
    light *= _shade(mood)[np.concatenate([np.arange(count), leaves.image])[_places(leaves)]]
    word, look = leaves.words(9), leaves.words(10)
    kx, ky = ((uniform(word, part) - F(0.5)) * (F(SHADING) / leaves.radius) for part in (0, 1))
    weight = F(TEXTURE) * uniform(look) * uniform(look) * uniform(mood, 2)[leaves.image]
    shading[:count, 0] = 1
    level = F(1) - kx * leaves.x - ky * leaves.y
    shading[leaves.id] = np.stack([level, kx / F(samples), ky / F(samples), weight], 1)
    start = bits(look, 0, 3) * (_textures.SIDE * _textures.SIDE), bits(look, 3, 8), bits(look, 11, 8)
    texture[leaves.id] = np.stack([*start, *DIRECTIONS[bits(look, 19, 4)].T], 1)
    if not colour:
        red, green, blue = (light[:, c] * F(LUMINANCE[c]) for c in range(3))
        light = (red + green + blue)[:, None]
    return Surfaces(light, shading, texture)


def _places(leaves: Leaves) -> Ints:
    """Which of backgrounds and leaves, in the order that they were thrown, has each id."""
    count = len(leaves.seeds)
    places = np.arange(count + len(leaves.id))
    places[leaves.id] = np.arange(count, len(places))
    return places


def _colours(leaves: Leaves, side: int, clarity: Floats) -> tuple[Floats, Floats]:
    """Linear light of the backgrounds and of the leaves: from one palette an image, pulled to its sites."""
    palette = palettes(leaves.seeds, 11)
    mean = (palette.astype(np.int64).sum(1) // palette.shape[1]).astype(F)[:, None]
    contrast = F(CONTRAST) * np.minimum(F(CLEARING) * clarity + F(HAZIEST), F(1))
    colours = mean + (palette.astype(F) - mean) * contrast[:, None, None]
    grey = ((colours[..., 0] + colours[..., 1] + colours[..., 2]) / F(3))[..., None]
    colours = grey + (colours - grey) * F(SATURATION)
    site = words(streams(leaves.seeds, 12)[:, None], np.arange(SITES))
    dx, dy = (
        uniform(site, part)[leaves.image] * F(side) - place[:, None]
        for part, place in enumerate((leaves.x, leaves.y))
    )
    of_sites = colours[np.arange(len(colours))[:, None], bits(site, 0, 4) * 4 + bits(site, 4, 2)]
    near = of_sites[leaves.image, (dx * dx + dy * dy).argmin(1)]
    own = colours[leaves.image, bits(leaves.words(13), 0, 6)]
    return _linear(of_sites[:, 0]), _linear(own + (near - own) * F(PULL))


def _linear(colours: Floats) -> Floats:
    light: Floats = to_linear()[np.clip(colours + F(0.5), F(0), F(255)).astype(np.uint8)]
    return light


def _shade(mood: Words) -> Floats:
    """Factor of red, green and blue of each image, ``(B, 3)``."""
    d = np.where(uniform(mood) < F(SHADED), F(DARKEST) + F(1 - DARKEST) * uniform(mood, 1), F(1))
    return np.stack([d * d, d * np.sqrt(d), d], 1)


def photograph(seen: Ids, found: Surfaces, samples: int) -> Floats:
    """Light of pixels, the mean of their samples: ids ``(B, n, n)`` to ``(B, C, side, side)``."""
    count, n = seen.shape[:2]
    side = n // samples
    light = np.empty((count, found.light.shape[1], side, side), F)
    rows = max(1, AT_ONCE // (n * samples))
    for picture, ids in zip(light, seen, strict=True):
        for top in range(0, side, rows):
            band = slice(top * samples, (top + rows) * samples)
            picture[:, top : top + rows] = _averaged(_lit(ids[band], top * samples, found, samples), samples)
    return light


def _lit(ids: Ids, top: int, found: Surfaces, samples: int) -> Floats:
    """Light of samples, at most 1: rows of ids from row ``top`` on, to ``(C, rows, n)``."""
    rows, n = ids.shape
    x, y = np.arange(n, dtype=np.int32), np.arange(top, top + rows, dtype=np.int32)[:, None]
    shading = found.shading[ids]
    gain = shading[..., 0] + shading[..., 1] * (x.astype(F) + F(0.5))
    gain += shading[..., 2] * (y.astype(F) + F(0.5))
    start, row, column, dx, dy = np.moveaxis(found.texture[ids], -1, 0)
    x, y = x * (6 // samples), y * (6 // samples)
    row = ((x * dx + y * dy) >> 2) + row & _textures.SIDE - 1
    column = ((x * dy - y * dx) >> 2) + column & _textures.SIDE - 1
    gain *= F(1) + _textures.bank().reshape(-1)[start + row * _textures.SIDE + column] * shading[..., 3]
    light = np.moveaxis(found.light[ids], -1, 0) * np.maximum(gain, F(0))
    return np.minimum(light, F(1))


def _averaged(light: Floats, samples: int) -> Floats:
    """Means of squares of ``samples`` x ``samples``, added in one order."""
    rows = light[:, ::samples]
    for k in range(1, samples):
        rows = rows + light[:, k::samples]
    total = rows[..., ::samples]
    for k in range(1, samples):
        total = total + rows[..., k::samples]
    return total / F(samples * samples)


def blurred(light: Floats, sigma: Floats, steps: int) -> Floats:
    """Point spread of a deviation for each image, of ``steps`` three-point steps; as many pixels are lost."""
    share = (sigma * sigma / F(2 * steps))[:, None, None, None]
    for _ in range(steps):
        for axis in (2, 3):
            light = np.moveaxis(light, axis, 0)
            middle, sides = light[1:-1], light[:-2] + light[2:]
            light = np.moveaxis(middle + (sides - 2 * middle) * share[:, 0], 0, axis)
    return light


def levels(light: Floats) -> npt.NDArray[np.uint8]:
    """Linear light in [0, 1] as sRGB levels."""
    return to_level()[(light * F(STEPS) + F(0.5)).astype(np.int32)]
