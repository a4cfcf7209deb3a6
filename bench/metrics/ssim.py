"""Structural similarity."""

import math
from functools import lru_cache
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from bench.metrics import Metric

Window = Literal["gaussian", "uniform"]

#: Rows (columns) that one matrix product of the window makes on the CPU: larger ones multiply by zeros.
TILE = 32
#: Pixels taken at a time on the CPU: beyond, the statistics leave the second-level cache.
PIECE = 2**17


class SSIM(Metric):
    """Structural similarity (Wang et al. 2004), at most 1.

    Args:
        window: ``gaussian``: 11x11 of sigma 1.5, as in the paper; ``uniform``: 7x7 with sample
            covariances, as scikit-image computes it unless told otherwise, and with it DIVal and fastMRI.
    """

    failed = 0.0

    def __init__(self, window: Window = "gaussian"):
        self.window = window

    def __call__(self, image: Tensor, truth: Tensor, *, data_range: Tensor, **context: Any) -> Tensor:
        return ssim(image, truth, data_range, self.window)


def ssim(
    image: Tensor, truth: Tensor, data_range: Tensor | float = 1.0, window: Window = "gaussian"
) -> Tensor:
    """Structural similarity, computed in float64, averaged over the valid region and the channels.

    ``(2 m1 m2 + C1)(2 s12 + C2) / ((m1^2 + m2^2 + C1)(s1^2 + s2^2 + C2))`` with means, variances and
    covariance under the window, C1 = (0.01 range)^2, C2 = (0.03 range)^2. Not float32: a variance
    is a difference of two nearly equal numbers there, and 1e-7 of the intensity squared is 1e-4 of C2.

    Args:
        image: reconstructions, ``(B, C, H, W)``, H and W at least 11 (7 for ``uniform``).
        truth: the true images, same shape.
        data_range: one for all, or ``(B,)``.
        window: see :class:`SSIM`.

    Returns:
        ``(B,)`` float64; 0 where a pixel is not finite.

    Reference:
        Wang, Bovik, Sheikh, Simoncelli: Image quality assessment, IEEE TIP 13(4), 2004.
    """
    count, channels, height, width = image.shape
    peak = torch.as_tensor(data_range, dtype=torch.float64, device=image.device).expand(count)
    if image.device.type == "cpu":
        peak = peak.repeat_interleave(channels)
        image, truth = (t.reshape(-1, 1, height, width) for t in (image, truth))
        size = max(PIECE // (height * width), 1)
    else:
        size = count
    pieces = zip(image.split(size), truth.split(size), peak.split(size), strict=True)
    values = [similarity(i.double(), t.double(), p, window) for i, t, p in pieces]
    value = torch.cat(values).view(count, -1).mean(1)
    return torch.where(value.isnan(), 0, value)  # every pixel is in a window, NaN and inf - inf are NaN


def similarity(
    image: Tensor, truth: Tensor, data_range: Tensor | float = 1.0, window: Window = "gaussian"
) -> Tensor:
    """SSIM as in :func:`ssim`, in the precision of the images and differentiable: for losses."""
    luminance, contrast = terms(image, truth, data_range, window)
    return (luminance * contrast).mean((1, 2, 3))


def terms(
    image: Tensor, truth: Tensor, data_range: Tensor | float, window: Window = "gaussian"
) -> tuple[Tensor, Tensor]:
    """Luminance, and contrast times structure, at every place of the window: ``(B, C, H - 10, W - 10)``.

    With d = image - truth they are ``1 - mean(d)^2 / (m1^2 + m2^2 + C1)`` and
    ``1 - var(d) / (s1^2 + s2^2 + C2)``: four windowed means instead of five, and exactly 1 where d is 0.
    """
    weights, unbiased = _window(window)
    peak = torch.as_tensor(data_range, dtype=truth.dtype, device=truth.device).view(-1, 1, 1, 1)
    c1, c2 = (0.01 * peak).square(), (0.03 * peak).square() / unbiased
    error = image - truth
    parts = (error, truth, error * error, image * truth)
    mean_error, mean_truth, square, product = (_windowed(part, weights) for part in parts)
    bias = mean_error * mean_error
    means = bias + 2 * mean_truth * (mean_error + mean_truth)
    return 1 - bias / (means + c1), 1 - (square - bias) / (square + 2 * product - means + c2)


@lru_cache
def _window(name: Window) -> tuple[tuple[float, ...], float]:
    """Weights along one axis, and the factor from the variance to its unbiased estimate."""
    if name == "uniform":
        return (1 / 7,) * 7, 49 / 48
    weights = [math.exp(-(k**2) / (2 * 1.5**2)) for k in range(-5, 6)]
    return tuple(w / sum(weights) for w in weights), 1.0


def _windowed(image: Tensor, weights: tuple[float, ...]) -> Tensor:
    """Mean under the window, in the valid region."""
    if image.device.type == "cpu":
        return _along_rows(_along_rows(image, weights).mT, weights).mT
    channels = image.shape[1]
    kernel = image.new_tensor(weights).expand(channels, 1, 1, -1)
    image = F.conv2d(image, kernel, groups=channels)
    return F.conv2d(image, kernel.mT, groups=channels)


def _along_rows(image: Tensor, weights: tuple[float, ...]) -> Tensor:
    """Each column convolved, as matrix products with pieces of a band matrix: on the CPU BLAS is
    faster than grouped convolutions (3 times at 96x96).
    """
    reach = len(weights) - 1
    length = image.shape[-2] - reach
    pieces = []
    for start in range(0, length, TILE):
        rows = min(TILE, length - start)
        pieces.append(_band(rows, weights, image.dtype) @ image[..., start : start + rows + reach, :])
    return torch.cat(pieces, -2)


@lru_cache
def _band(rows: int, weights: tuple[float, ...], dtype: torch.dtype) -> Tensor:
    band = torch.zeros(rows, rows + len(weights) - 1, dtype=torch.float64)
    for row in range(rows):
        band[row, row : row + len(weights)] = torch.tensor(weights, dtype=torch.float64)
    return band.to(dtype)
