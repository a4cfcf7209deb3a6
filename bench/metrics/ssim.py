"""Structural similarity."""

from typing import Any

import torch
from torch import Tensor

from bench.metrics import Metric
from bench.metrics._windowed import Weights, Window, windowed, windowed_into
from bench.metrics._windowed import window as window_of

#: Pixels taken at a time on the CPU: beyond, the statistics leave the second-level cache.
PIECE = 2**15
#: Rows taken at a time of an image that is larger, at least: fewer, and most are computed twice.
STRIP = 40


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
    peak = torch.as_tensor(data_range, dtype=torch.float64, device=image.device).expand(len(image))
    if image.device.type == "cpu":
        value = _on_the_cpu(image, truth, peak, window)
    else:
        value = similarity(image.double(), truth.double(), peak, window)
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
    weights, unbiased = window_of(window)
    peak = torch.as_tensor(data_range, dtype=truth.dtype, device=truth.device).view(-1, 1, 1, 1)
    c1, c2 = (0.01 * peak).square(), (0.03 * peak).square() / unbiased
    error = image - truth
    parts = (error, truth, error * error, image * truth)
    mean_error, mean_truth, square, product = (windowed(part, weights) for part in parts)
    bias = mean_error * mean_error
    means = bias + 2 * mean_truth * (mean_error + mean_truth)
    return 1 - bias / (means + c1), 1 - (square - bias) / (square + 2 * product - means + c2)


def _on_the_cpu(image: Tensor, truth: Tensor, peak: Tensor, window: Window) -> Tensor:
    """:func:`ssim` in pieces that stay in the cache, and in the same memory one after another."""
    count, channels, height, width = image.shape
    weights, unbiased = window_of(window)
    constants = 2 * torch.stack([(0.01 * peak).square(), (0.03 * peak).square() / unbiased], 1)
    constants = constants.repeat_interleave(channels, 0)
    size = max(PIECE // (height * width), 1)
    rows = height if size > 1 else min(height, max(PIECE // width, STRIP))
    memory = torch.empty(2, 4 * size * rows * width, dtype=torch.float64)
    sums = torch.zeros(count * channels, dtype=torch.float64)
    last = height - len(weights) + 1
    for top in range(0, last, rows - len(weights) + 1):
        strip = slice(top, min(top + rows, height))
        planes = (t[..., strip, :].flatten(0, 1).split(size) for t in (image, truth))
        for one, two, c, sum_ in zip(*planes, constants.split(size), sums.split(size), strict=True):
            sum_.add_(_summed(one, two, c.T[..., None], weights, memory))
    return sums.view(count, channels).mean(1) / (last * (width - len(weights) + 1))


def _summed(image: Tensor, truth: Tensor, constants: Tensor, weights: Weights, memory: Tensor) -> Tensor:
    """Sum of the similarity of planes ``(n, H, W)`` over all places of the window.

    With u = image + truth and d = image - truth, both factors are ``(U + C - D) / (U + C + D)``: luminance
    with the squared means of u and d, contrast and structure with their variances, C twice Wang's
    constant. They are exactly 1 where d is 0.
    """
    count, height, width = image.shape
    maps = memory[0, : 4 * image.numel()].view(height, 2, 2, count, width)
    powers, (total, error) = maps[:, 1], maps[:, 0].unbind(1)
    total.copy_(image.movedim(1, 0))
    error.copy_(truth.movedim(1, 0))
    total += error
    torch.sub(total, error, alpha=2, out=error)
    torch.mul(maps[:, 0], maps[:, 0], out=powers)
    means = windowed_into(memory[1], memory[0], maps, weights)
    squares, variances = means.unbind(1)
    squares *= squares
    variances -= squares
    more, less = means.unbind(2)
    more += constants
    terms = torch.sub(more, less, out=memory[1, : more.numel()].view(more.shape))
    terms /= more.add_(less)
    luminance, contrast = terms.movedim(2, 0).unbind(2)
    return (luminance * contrast).sum((1, 2))
