"""Multi-scale structural similarity."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from bench.metrics import Metric
from bench.metrics.ssim import terms

#: Exponents of the scales, from the finest.
WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
#: Smallest side that leaves an 11x11 window at the coarsest of five scales.
SMALLEST = 11 * 2 ** (len(WEIGHTS) - 1)


class MSSSIM(Metric):
    """Multi-scale structural similarity (Wang et al. 2003): five scales; "-" below 176 pixels.

    ``l_5^w5 prod_j cs_j^wj``: contrast and structure of every scale, luminance of the coarsest, each
    averaged over the image, halved by 2x2 means in between; computed in float64, channel by channel, a
    negative mean counted as 0.

    Reference:
        Wang, Simoncelli, Bovik: Multi-scale structural similarity for image quality assessment, 2003.
    """

    failed = 0.0

    def __call__(self, image: Tensor, truth: Tensor, *, data_range: Tensor, **context: Any) -> Tensor | None:
        count, channels, height, width = image.shape
        if min(height, width) < SMALLEST:
            return None
        one, two = (t.double().reshape(-1, 1, height, width) for t in (image, truth))
        peak, value = data_range.repeat_interleave(channels), torch.ones(len(one), device=one.device)
        for place, weight in enumerate(WEIGHTS, start=1):
            luminance, contrast = terms(one, two, peak)
            last = place == len(WEIGHTS)
            mean = (luminance * contrast if last else contrast).mean((1, 2, 3))
            value = value * mean.clamp_min(0) ** weight
            one, two = F.avg_pool2d(one, 2), F.avg_pool2d(two, 2)
        return value.view(count, channels).mean(1)
