"""Image quality: one value per image, float64, data range 1."""

import torch
from torch import Tensor
from torch.nn import functional as F

#: Raised when a definition here changes; scores of different versions are not compared.
METRICS_VERSION = 1


def psnr(image: Tensor, truth: Tensor) -> Tensor:
    """Peak signal-to-noise ratio in dB, ``10 log10(1 / MSE)``, of raw values with data range 1.

    Args:
        image: reconstructions, ``(B, C, H, W)``.
        truth: the true images in [0, 1], same shape.

    Returns:
        ``(B,)`` float64; ``+inf`` where exact, ``-inf`` where a pixel is not finite.
    """
    image, truth = image.double(), truth.double()
    error = (image - truth).square().flatten(1).mean(1)
    value = -10 * torch.log10(error)
    return torch.where(_finite(image), value, -torch.inf)


def ssim(image: Tensor, truth: Tensor) -> Tensor:
    """Structural similarity with the settings of Wang et al. 2004.

    ``(2 m1 m2 + C1)(2 s12 + C2) / ((m1^2 + m2^2 + C1)(s1^2 + s2^2 + C2))`` with means, variances
    and covariance under an 11x11 Gaussian window of sigma 1.5, C1 = 0.01^2, C2 = 0.03^2, averaged
    over the valid region and the channels.

    Args:
        image: reconstructions, ``(B, C, H, W)``, H and W at least 11.
        truth: the true images in [0, 1], same shape.

    Returns:
        ``(B,)`` float64; 0 where a pixel is not finite.

    Reference:
        Wang, Bovik, Sheikh, Simoncelli: Image quality assessment, IEEE TIP 13(4), 2004.
    """
    image, truth = image.double(), truth.double()
    finite = _finite(image)
    image = torch.where(finite[:, None, None, None], image, 0)
    return torch.where(finite, similarity(image, truth), 0)


def similarity(image: Tensor, truth: Tensor) -> Tensor:
    """SSIM as in :func:`ssim`, in the precision of the images and differentiable: for losses."""
    channels = truth.shape[1]
    stacked = torch.cat([image, truth, image * image, truth * truth, image * truth], 1)
    mean1, mean2, square1, square2, product = _blur(stacked).split(channels, 1)
    luminance = (2 * mean1 * mean2 + 0.01**2) / (mean1**2 + mean2**2 + 0.01**2)
    covariance = product - mean1 * mean2
    variances = square1 - mean1**2 + square2 - mean2**2
    value: Tensor = luminance * (2 * covariance + 0.03**2) / (variances + 0.03**2)
    return value.flatten(1).mean(1)


def capped_psnr(image: Tensor, truth: Tensor) -> Tensor:
    """:func:`psnr`, at most 100 dB: what settings and epochs are chosen by.

    One exact image (a black window, say) makes the mean of the others' infinite whatever they are.
    """
    return psnr(image, truth).clamp_max(100.0)


def mean_score(values: Tensor) -> float:
    """Mean of per-image values; ``-inf`` where any is, so that it is never NaN."""
    return -float("inf") if bool((values == -torch.inf).any()) else float(values.mean())


def _finite(image: Tensor) -> Tensor:
    return image.isfinite().flatten(1).all(1)


def _blur(image: Tensor) -> Tensor:
    """Gaussian window, 11x11, sigma 1.5, valid region; separable."""
    offsets = torch.arange(-5, 6, dtype=image.dtype, device=image.device)
    window = torch.exp(-(offsets**2) / (2 * 1.5**2))
    window = window / window.sum()
    channels = image.shape[1]
    rows = window.expand(channels, 1, 1, 11)
    image = F.conv2d(image, rows, groups=channels)
    return F.conv2d(image, rows.transpose(2, 3), groups=channels)
