"""Learned perceptual image patch similarity."""

from typing import Any, Literal

from torch import Tensor

from bench.metrics._perceptual import LearnedMetric, compared, fetching, in_colour, library


class LPIPS(LearnedMetric):
    """Learned perceptual image patch similarity (Zhang et al. 2018), 0 for the same picture; by torchmetrics.

    Of pictures: values over the range and cut to [0, 1]; "-" below 32 pixels. The network's
    weights are torchvision's, downloaded once.

    Args:
        net: ``alex`` (the one that papers report), ``vgg`` or ``squeeze``.

    Raises:
        UsageError: torchmetrics is not installed, or the weights cannot be had.

    Reference:
        Zhang, Isola, Efros, Shechtman, Wang: The unreasonable effectiveness of deep features, 2018.
    """

    higher_is_better = False

    def __init__(self, net: Literal["alex", "vgg", "squeeze"] = "alex"):
        module = library("torchmetrics.image.lpip", "lpips")
        with fetching("lpips", f"the ImageNet weights of {net} that torchvision downloads"):
            self.network = module.LearnedPerceptualImagePatchSimilarity(net_type=net).net

    def __call__(self, image: Tensor, truth: Tensor, *, data_range: Tensor, **context: Any) -> Tensor | None:
        if min(image.shape[-2:]) < 32:
            return None
        network = self.network.to(image.device)
        return compared(
            image, truth, data_range, lambda i, t: network(in_colour(i), in_colour(t), normalize=True)
        )
