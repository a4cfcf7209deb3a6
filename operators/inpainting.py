"""Inpainting."""

import math
from functools import partial
from typing import Literal

import torch
from torch import Tensor

from bench.operators import Operator
from bench.operators._checks import share
from bench.seeding import stream


class Inpainting(Operator):
    """Inpainting: pixels dropped at random, or a box in the middle; inverse: dropped pixels at 0.

    ``y = m x`` with one fixed mask ``m`` of zeros and ones for every image and channel.

    The default, 70 % of the pixels dropped, is InverseBench's; ``mask=box`` drops the middle quarter
    (DPS: 128x128 of 256x256).

    Args:
        image_shape: ``(C, H, W)``.
        mask: ``random`` or ``box``.
        fraction: share of the pixels that is kept, in (0, 1]; default 0.3, for a box 0.75.
        seed: of the random mask; default: the run's.

    Raises:
        ValueError: fraction is not in (0, 1].
    """

    linear = True

    def __init__(
        self,
        image_shape: tuple[int, ...],
        mask: Literal["random", "box"] = "random",
        fraction: float | None = None,
        seed: int = 0,
    ):
        super().__init__(image_shape)
        share(fraction=fraction)
        height, width = self.image_shape[-2:]
        if mask == "box":
            self.mask = _box(height, width, 0.75 if fraction is None else fraction)
        else:
            self.mask = _random(height, width, 0.3 if fraction is None else fraction, seed)

    def forward(self, x: Tensor, generator: torch.Generator) -> Tensor:
        return x * self.constant(f"mask {x.dtype}", x.device, partial(self.mask.to, x.dtype))

    def adjoint(self, y: Tensor) -> Tensor:
        return y * self.constant(f"mask {y.dtype}", y.device, partial(self.mask.to, y.dtype))

    def inverse(self, y: Tensor) -> Tensor:
        """The pseudo-inverse: noise in dropped pixels is dropped too."""
        return self.adjoint(y)


def _box(height: int, width: int, kept: float) -> Tensor:
    """A mask with a centred box of the image's proportions left out."""
    mask = torch.ones(height, width, dtype=torch.bool)
    rows, columns = round(height * math.sqrt(1 - kept)), round(width * math.sqrt(1 - kept))
    top, left = (height - rows) // 2, (width - columns) // 2
    mask[top : top + rows, left : left + columns] = False
    return mask


def _random(height: int, width: int, kept: float, seed: int) -> Tensor:
    """A mask that keeps exactly the nearest number of pixels to the share asked for, at least one."""
    count = max(1, round(kept * height * width))
    mask = torch.zeros(height * width, dtype=torch.bool)
    mask[torch.randperm(height * width, generator=stream("cpu", seed, "inpainting"))[:count]] = True
    return mask.view(height, width)
