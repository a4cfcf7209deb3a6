"""Phase retrieval."""

import math

import torch
from torch import Tensor

from bench.errors import in_memory
from bench.operators import Operator


class PhaseRetrieval(Operator):
    """Phase retrieval: the magnitude of the oversampled Fourier transform, its phase is lost.

    ``y = |F P x|``: each channel is padded with zeros to ``oversample`` times its size, F is
    unitary; x (B, C, H, W), y (B, C, s H, s W), the zero frequency in the corner. Image, mirrored
    and shifted image have the same measurement; no closed form undoes it.

    A network sees the autocorrelation ``F^-1 y^2`` in two images per channel: lags (i, j) of
    0 <= i < H with 0 <= j < W, and with -W <= j < 0. The other lags mirror these, so nothing is lost.

    The default oversampling by 2 is DPS's, whose noise is ``+noise:sigma=0.05``.

    Args:
        image_shape: ``(C, H, W)``.
        oversample: size of the transform over the size of the image, at least 2.

    Raises:
        ValueError: oversample is below 2: the autocorrelation would overlap itself.
    """

    def __init__(self, image_shape: tuple[int, ...], oversample: int = 2):
        super().__init__(image_shape)
        if oversample < 2:
            raise ValueError(f"oversample must be at least 2, not {oversample}")
        # A padded image, its complex spectrum, and the magnitudes.
        in_memory(16.0 * oversample**2 * math.prod(self.image_shape), oversample=oversample)
        self.oversample = oversample

    def forward(self, x: Tensor, generator: torch.Generator) -> Tensor:
        size = [n * self.oversample for n in x.shape[-2:]]
        half = torch.fft.rfft2(x, s=size, norm="ortho").abs()
        return torch.cat([half, _mirrored(half[..., 1 : (size[1] + 1) // 2])], -1)

    def as_image(self, y: Tensor) -> Tensor:
        height, width = self.image_shape[-2:]
        half = torch.fft.rfft2(y**2, norm="ortho").real
        negative = _mirrored(half[..., 1 : width + 1])
        return torch.cat([half[..., :height, :width], negative[..., :height, :]], 1)


def _mirrored(half: Tensor) -> Tensor:
    """Columns -w..-1 of a transform that is even in (row, column), from its columns 1..w."""
    return half.flip((-2, -1)).roll(1, -2)
