"""From the numbers in files to values in [0, 1]."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bench.errors import UsageError


@dataclass(frozen=True)
class Scale:
    """What ``range=lowest,highest`` or ``window=centre,width`` make of the numbers in a file.

    - ``range``: ``(v - lowest) / (highest - lowest)``; numbers outside are an error.
    - ``window``: the same for ``centre - width / 2`` to ``centre + width / 2``; numbers outside are cut off,
      as on a radiologist's screen.
    - neither: 8-bit levels and complex numbers stay, floats stay if they lie in [0, 1]; all else is an error
      that says what to declare.
    """

    range: tuple[float, float] | None = None
    window: tuple[float, float] | None = None

    def __call__(self, numbers: Any, name: str) -> Tensor:
        """An image of any type as uint8, float32 or complex64.

        Args:
            numbers: a NumPy array.
            name: of the file, for messages.

        Raises:
            UsageError: the numbers are not of a declared range.
        """
        if numbers.dtype.kind == "c":
            return torch.from_numpy((numbers / (self.range[1] if self.range else 1)).astype(np.complex64))
        if self.window is not None:
            centre, width = self.window
            shares = (numbers.astype(np.float32) - (centre - width / 2)) / width
            return torch.from_numpy(shares.clip(0, 1))
        if self.range is not None:
            self._inside(numbers, self.range, name)
            lowest, highest = self.range
            return torch.from_numpy((numbers.astype(np.float32) - lowest) / (highest - lowest)).clamp(0, 1)
        if numbers.dtype == np.uint8:
            return torch.from_numpy(np.ascontiguousarray(numbers))
        if numbers.dtype.kind == "f":
            self._inside(numbers, (0, 1), name)
            return torch.from_numpy(numbers.astype(np.float32))
        raise UsageError(f"{name}: {_seen(numbers)}; {_DECLARE}")

    @staticmethod
    def _inside(numbers: Any, limits: tuple[float, float], name: str) -> None:
        if not (numbers.min() >= limits[0] and numbers.max() <= limits[1]):
            raise UsageError(
                f"{name}: {_seen(numbers)}, which is not inside {limits[0]:g} to {limits[1]:g}; {_DECLARE}"
            )


_DECLARE = "say what they stand for: range=LOWEST,HIGHEST (as 0,4095), or window=CENTRE,WIDTH"


def _seen(numbers: Any) -> str:
    return f"{numbers.dtype} numbers from {numbers.min():g} to {numbers.max():g}"


def declared(limits: str | None, window: str | None) -> Scale:
    """The scale from parameters as they are typed: ``"0,4095"``.

    Raises:
        ValueError: not two numbers, an empty range, or both.
    """
    if limits is not None and window is not None:
        raise ValueError("give range or window, not both")
    scale = Scale(_pair("range", limits), _pair("window", window))
    if scale.range is not None and not scale.range[0] < scale.range[1]:
        raise ValueError(f"range must be lowest,highest, not {limits}")
    if scale.window is not None and not scale.window[1] > 0:
        raise ValueError(f"window must be centre,width with a positive width, not {window}")
    return scale


def _pair(name: str, text: str | None) -> tuple[float, float] | None:
    if text is None:
        return None
    try:
        first, second = (float(part) for part in text.split(","))
    except ValueError:
        raise ValueError(f"{name} must be two numbers, as {name}=0,4095, not {text!r}") from None
    if not np.isfinite([first, second]).all():
        raise ValueError(f"{name} must be two finite numbers, not {text}")
    return first, second
