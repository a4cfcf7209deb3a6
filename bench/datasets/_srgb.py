"""sRGB to linear light and back by tables of exact integers, the same on every processor."""

from functools import cache

import numpy as np
import numpy.typing as npt

#: Linear light has this many steps from black to white.
STEPS = 2**16 - 1


def _linear(numerator: int, denominator: int, scale: int) -> int:
    """``scale`` times the linear light of the sRGB value ``numerator / denominator``, rounded down."""
    if numerator * 10**5 <= 4045 * denominator:
        return numerator * scale * 100 // (denominator * 1292)
    # ((c + 0.055) / 1.055)^(12 / 5): the largest whole n with n^5 <= scale^5 (...)^12.
    top, bottom = 1000 * numerator + 55 * denominator, 1055 * denominator
    power = scale**5 * top**12 // bottom**12
    low, high = 0, scale + 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if middle**5 <= power else (low, middle)
    return low


@cache
def to_linear() -> npt.NDArray[np.float32]:
    """Linear light in [0, 1] of the 256 levels (IEC 61966-2-1), in steps of 2^-24."""
    return np.array([_linear(v, 255, 2**24) for v in range(256)], np.float32) * np.float32(2.0**-24)


@cache
def to_level() -> npt.NDArray[np.uint8]:
    """The nearest level of each step of linear light, ``STEPS + 1`` values."""
    edges = [_linear(2 * v - 1, 510, STEPS) for v in range(1, 256)]
    return np.searchsorted(np.array(edges), np.arange(STEPS + 1), side="left").astype(np.uint8)
