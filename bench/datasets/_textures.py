"""A fixed bank of textures, made of integers: noise of several roughnesses, as clouds and as stripes."""

from functools import cache

import numpy as np
import numpy.typing as npt

from bench.datasets._hashing import Floats, streams, words

#: Side of a texture, in sixths of a pixel; a power of 2.
SIDE = 256
#: Weight of each finer octave relative to the one before, in sixteenths: a cloud and stripes for each.
ROUGHNESS = (8, 10, 12, 14)

Grid = npt.NDArray[np.int64]


@cache
def bank() -> Floats:
    """``(8, SIDE, SIDE)``, periodic, mean about 0, mean absolute value about 1."""
    found = []
    for stripes in (False, True):
        for weight in ROUGHNESS:
            grid = _noise(weight, stripes)
            grid -= grid.sum() // grid.size
            found.append(grid.astype(np.float32) / np.float32(np.abs(grid).sum() // grid.size))
    return np.stack(found)


def _noise(weight: int, stripes: bool) -> Grid:
    """Octaves of hashed values, each interpolated linearly to the finer grid before the next is added."""
    side, scale = 4, 2**24
    grid = _hashed(weight, side, stripes) * scale
    while side < SIDE:
        grid, side, scale = _twice(_twice(grid).T).T, 2 * side, scale * weight // 16
        grid = grid + _hashed(weight, side, stripes) * scale
    return grid


def _hashed(weight: int, side: int, stripes: bool) -> Grid:
    """Numbers in [-2^20, 2^20), ``(side, side)``; of stripes the same in every row."""
    stream = streams(np.array([side], np.uint64), 2 * weight + stripes)
    values = words(stream, np.arange(side if stripes else side * side)) >> np.uint64(43)
    signed = values.astype(np.int64) - 2**20
    return np.tile(signed, (side, 1)) if stripes else signed.reshape(side, side)


def _twice(grid: Grid) -> Grid:
    """Twice as many rows, those between the old ones their means."""
    return np.stack([grid, (grid + np.roll(grid, -1, 0)) >> 1], 1).reshape(-1, grid.shape[1])
