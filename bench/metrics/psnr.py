"""Peak signal-to-noise ratio."""

from typing import Any

import torch
from torch import Tensor

from bench.metrics import EXACT, Metric


class PSNR(Metric):
    """Peak signal-to-noise ratio in dB: ``10 log10(range^2 / MSE)``; +inf where exact."""

    unit = "dB"

    def __call__(self, image: Tensor, truth: Tensor, *, data_range: Tensor, **context: Any) -> Tensor:
        return psnr(image, truth, data_range)


def psnr(image: Tensor, truth: Tensor, data_range: Tensor | float = 1.0) -> Tensor:
    """Peak signal-to-noise ratio in dB, ``10 log10(range^2 / MSE)``, computed in float64.

    Args:
        image: reconstructions, ``(B, C, H, W)``; complex ones are compared as complex numbers.
        truth: the true images, same shape.
        data_range: one for all, or ``(B,)``.

    Returns:
        ``(B,)`` float64; ``+inf`` where exact, ``-inf`` where a pixel is not finite.
    """
    error = image.to(_double(image)) - truth
    mean = (error * error.conj()).real.flatten(1).mean(1)
    peak = torch.as_tensor(data_range, dtype=torch.float64, device=mean.device)
    value = 20 * torch.log10(peak) - 10 * torch.log10(mean)
    return torch.where(image.isfinite().flatten(1).all(1), value, -torch.inf)


def capped_psnr(image: Tensor, truth: Tensor, data_range: Tensor | float = 1.0) -> Tensor:
    """:func:`psnr`, at most 100 dB: what settings and epochs are chosen by.

    One exact image (a black window, say) makes the mean of the others' infinite whatever they are.
    """
    return psnr(image, truth, data_range).clamp_max(EXACT)


def _double(image: Tensor) -> torch.dtype:
    return torch.complex128 if image.is_complex() else torch.float64
