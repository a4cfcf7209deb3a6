"""Super-resolution."""

from collections.abc import Callable

import torch
from torch import Tensor

from bench.operators import Operator
from bench.operators._checks import positive
from bench.operators._resample import cast, resample, resampling


class SuperResolution(Operator):
    """Super-resolution: antialiased bicubic reduction by a whole factor; inverse: its pseudo-inverse.

    ``y = R x C^T`` with one resampling matrix for rows and one for columns (Keys' cubic, a = -0.5,
    widened by the factor), as in Pillow and MATLAB's ``imresize``: x (B, C, H, W), y (B, C, H/s,
    W/s). ``inverse`` is the Moore-Penrose inverse ``R+ y C+^T``: the smallest image with these
    measurements. A network sees ``y`` enlarged by bicubic interpolation.

    The default x4 is DPS's and InverseBench's (their noise: ``+noise:sigma=0.05``); x2 the other
    usual factor.

    Args:
        image_shape: ``(C, H, W)``.
        scale: the factor; it divides height and width.

    Raises:
        ValueError: the factor is not positive or does not divide the size.
    """

    linear = True

    def __init__(self, image_shape: tuple[int, ...], scale: int = 4):
        super().__init__(image_shape)
        positive(scale=scale)
        self.scale = scale
        height, width = self.image_shape[-2:]
        if height % scale or width % scale:
            raise ValueError(
                f"scale={scale} does not divide the image size {height}x{width}; choose a common divisor"
            )

    def forward(self, x: Tensor, generator: torch.Generator) -> Tensor:
        rows, columns = self._matrices(self._smaller, x)
        return resample(rows, columns, x)

    def adjoint(self, y: Tensor) -> Tensor:
        rows, columns = self._matrices(self._smaller, y)
        return resample(rows.T, columns.T, y)

    def inverse(self, y: Tensor) -> Tensor:
        return resample(*self._matrices(self._inverted, y), y)

    def as_image(self, y: Tensor) -> Tensor:
        return resample(*self._matrices(self._larger, y), y)

    def _matrices(self, make: Callable[[int], Tensor], like: Tensor) -> tuple[Tensor, Tensor]:
        """What ``make`` gives for the height and for the width, in the type and place of ``like``."""
        rows, columns = (
            self.constant(f"{make.__name__} {size} {like.dtype}", like.device, cast(make, size, like.dtype))
            for size in self.image_shape[-2:]
        )
        return rows, columns

    def _smaller(self, size: int) -> Tensor:
        return resampling(size, size // self.scale)

    def _larger(self, size: int) -> Tensor:
        return resampling(size // self.scale, size)

    def _inverted(self, size: int) -> Tensor:
        inverted: Tensor = torch.linalg.pinv(self._smaller(size))
        return inverted
