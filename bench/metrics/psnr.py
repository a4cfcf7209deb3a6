"""Peak signal-to-noise ratio."""

import math
from typing import Any

import torch
from torch import Tensor

from bench.metrics import EXACT, Metric

#: Pixels taken at a time on the CPU: beyond, their differences leave the second-level cache.
PIECE = 2**16


class PSNR(Metric):
    """Peak signal-to-noise ratio in dB: ``10 log10(range^2 / MSE)``; +inf where exact."""

    unit = "dB"

    def __call__(self, image: Tensor, truth: Tensor, *, data_range: Tensor, **context: Any) -> Tensor:
        return psnr(image, truth, data_range)


def psnr(image: Tensor, truth: Tensor, data_range: Tensor | float = 1.0) -> Tensor:
    """Peak signal-to-noise ratio in dB, ``10 log10(range^2 / MSE)``.

    Squares and sums are taken in float64, differences in the images' own precision: in float32 that
    moves no value by more than 1e-6 dB.

    Args:
        image: reconstructions, ``(B, C, H, W)``; complex ones are compared as complex numbers.
        truth: the true images, same shape.
        data_range: one for all, or ``(B,)``.

    Returns:
        ``(B,)`` float64; ``+inf`` where exact, ``-inf`` where an error is not finite.
    """
    pixels = image.shape[1:].numel()
    size = max(PIECE // pixels, 1) if image.device.type == "cpu" else max(len(image), 1)
    pairs = zip(image.split(size), truth.split(size), strict=True)
    norm = torch.cat([_norm(one - two) for one, two in pairs])
    peak = torch.as_tensor(data_range, dtype=torch.float64, device=norm.device)
    value = 20 * torch.log10(peak / norm) + 10 * math.log10(pixels)
    return torch.where(norm.isfinite(), value, -torch.inf)


def capped_psnr(image: Tensor, truth: Tensor, data_range: Tensor | float = 1.0) -> Tensor:
    """:func:`psnr`, at most 100 dB: what settings and epochs are chosen by.

    One exact image (a black window, say) makes the mean of the others' infinite whatever they are.
    """
    return psnr(image, truth, data_range).clamp_max(EXACT)


def _norm(error: Tensor) -> Tensor:
    """Root of the sum of squares of each image of ``(B, C, H, W)``, real and imaginary parts alike."""
    real = torch.view_as_real(error) if error.is_complex() else error
    norm: Tensor = torch.linalg.vector_norm(real.flatten(1), dim=1, dtype=torch.float64)
    return norm
