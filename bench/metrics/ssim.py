"""Structural similarity."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from bench.metrics import Metric


class SSIM(Metric):
    """Structural similarity as Wang et al. 2004 define it: 11x11 Gaussian window, at most 1."""

    failed = 0.0

    def __call__(self, image: Tensor, truth: Tensor, *, data_range: Tensor, **context: Any) -> Tensor:
        return ssim(image, truth, data_range)


def ssim(image: Tensor, truth: Tensor, data_range: Tensor | float = 1.0) -> Tensor:
    """Structural similarity with the settings of Wang et al. 2004, computed in float64.

    ``(2 m1 m2 + C1)(2 s12 + C2) / ((m1^2 + m2^2 + C1)(s1^2 + s2^2 + C2))`` with means, variances
    and covariance under an 11x11 Gaussian window of sigma 1.5, C1 = (0.01 range)^2, C2 = (0.03 range)^2,
    averaged over the valid region and the channels.

    Args:
        image: reconstructions, ``(B, C, H, W)``, H and W at least 11.
        truth: the true images, same shape.
        data_range: one for all, or ``(B,)``.

    Returns:
        ``(B,)`` float64; 0 where a pixel is not finite.

    Reference:
        Wang, Bovik, Sheikh, Simoncelli: Image quality assessment, IEEE TIP 13(4), 2004.
    """
    finite = image.isfinite().flatten(1).all(1)
    image = torch.where(finite[:, None, None, None], image.double(), 0)
    return torch.where(finite, similarity(image, truth.double(), data_range), 0)


def similarity(image: Tensor, truth: Tensor, data_range: Tensor | float = 1.0) -> Tensor:
    """SSIM as in :func:`ssim`, in the precision of the images and differentiable: for losses."""
    peak = torch.as_tensor(data_range, dtype=truth.dtype, device=truth.device).view(-1, 1, 1, 1)
    c1, c2 = (0.01 * peak).square(), (0.03 * peak).square()
    channels = truth.shape[1]
    stacked = torch.cat([image, truth, image * image, truth * truth, image * truth], 1)
    mean1, mean2, square1, square2, product = _blur(stacked).split(channels, 1)
    luminance = (2 * mean1 * mean2 + c1) / (mean1**2 + mean2**2 + c1)
    covariance = product - mean1 * mean2
    variances = square1 - mean1**2 + square2 - mean2**2
    value: Tensor = luminance * (2 * covariance + c2) / (variances + c2)
    return value.flatten(1).mean(1)


def _blur(image: Tensor) -> Tensor:
    """Gaussian window, 11x11, sigma 1.5, valid region; separable."""
    offsets = torch.arange(-5, 6, dtype=image.dtype, device=image.device)
    window = torch.exp(-(offsets**2) / (2 * 1.5**2))
    window = window / window.sum()
    channels = image.shape[1]
    rows = window.expand(channels, 1, 1, 11)
    image = F.conv2d(image, rows, groups=channels)
    return F.conv2d(image, rows.transpose(2, 3), groups=channels)
