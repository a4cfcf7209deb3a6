"""What the numbers in which images are stored stand for."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from bench.errors import UsageError

#: Types in which images may be stored.
TYPES = (torch.uint8, torch.uint16, torch.float32, torch.complex64)
#: Floats may lie outside their range by rounding: by this share of it.
ROUNDING = 1e-6


@dataclass(frozen=True)
class Values:
    """The scale of a dataset's images.

    Integers v stand for ``low + (high - low) (v - black) / (white - black)``; floats and complex
    numbers stand for themselves.

    Attributes:
        value_range: lowest and highest value, ``(low, high)``; of complex images, of their magnitude.
        levels: of integers, ``(black, white)``: what stands for the lowest and the highest value;
            None: 0 and 255 of uint8. uint16 has to say.

    Raises:
        UsageError: a range that is empty or not finite.
    """

    value_range: tuple[float, float] = (0.0, 1.0)
    levels: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        for name, pair in (("value_range", self.value_range), ("levels", self.levels)):
            if pair is not None and not -math.inf < pair[0] < pair[1] < math.inf:
                raise UsageError(f"{name} must be two finite numbers, the lower one first, not {pair}")

    def __call__(self, stored: Tensor) -> Tensor:
        """Images as values: float32 or complex64, on the device of ``stored``."""
        if stored.is_floating_point() or stored.is_complex():
            return stored
        black, white = self.levels or (0.0, 255.0)
        shares = stored.float()
        shares = shares.div_(white) if black == 0 else shares.sub_(black).div_(white - black)
        low, high = self.value_range
        return shares if (low, high) == (0.0, 1.0) else low + (high - low) * shares

    def check(self, stored: Tensor, what: str) -> None:
        """Raise a UsageError that names ``what`` if images are of another type or outside their range.

        Raises:
            UsageError: the type is unknown or has no declared levels, or a value lies outside; the
                message says what to declare.
        """
        if stored.dtype not in TYPES:
            raise UsageError(
                f"{what}: the images are {_name(stored.dtype)}; convert them to "
                f"{', '.join(map(_name, TYPES[:-1]))} or {_name(TYPES[-1])}"
            )
        if stored.numel() == 0 or (stored.dtype == torch.uint8 and self.levels is None):
            return
        if stored.dtype.is_floating_point or stored.dtype.is_complex:
            self._check_numbers(stored.abs() if stored.is_complex() else stored, what)
        else:
            self._check_levels(stored.int(), what)

    def _check_numbers(self, numbers: Tensor, what: str) -> None:
        least, most = (float(v) for v in numbers.aminmax())
        low, high = self.value_range
        slack = ROUNDING * (high - low)
        if not (low - slack <= least and most <= high + slack):
            wrong = most if not most <= high + slack else least
            raise UsageError(
                f"{what}: the value {wrong:g} lies outside the declared range [{low:g}, {high:g}]; declare "
                "the range that the images have: Splits(..., value_range=(lowest, highest))"
            )

    def _check_levels(self, levels: Tensor, what: str) -> None:
        least, most = (int(v) for v in levels.aminmax())
        if self.levels is None:
            raise UsageError(
                f"{what}: uint16 images (here {least} to {most}) do not say which levels are black and "
                "white; declare them: Splits(..., levels=(black, white)), such as (0, 4095) or (0, 65535)"
            )
        black, white = self.levels
        if least < black or most > white:
            wrong = most if most > white else least
            raise UsageError(
                f"{what}: the level {wrong} lies outside the declared levels [{black:g}, {white:g}]; declare "
                "those that the images have: Splits(..., levels=(black, white))"
            )


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
