"""Deep image structure and texture similarity."""

from typing import Any

from torch import Tensor

from bench.metrics._perceptual import LearnedMetric, compared, fetching, in_colour, library


class DISTS(LearnedMetric):
    """Deep image structure and texture similarity (Ding et al. 2020), 0 for the same picture; by piq.

    Of pictures: values over the range and cut to [0, 1]; "-" below 32 pixels. The weights (VGG16 of
    torchvision, DISTS's own of piq) are downloaded once.

    Raises:
        UsageError: piq is not installed, or the weights cannot be had.

    Reference:
        Ding, Ma, Wang, Simoncelli: Image quality assessment: unifying structure and texture similarity, 2020.
    """

    higher_is_better = False

    def __init__(self) -> None:
        module = library("piq", "dists")
        with fetching("dists", "dists_weights.pt of piq and the ImageNet weights of VGG16"):
            self.network = module.DISTS(reduction="none")

    def weights(self) -> dict[str, Tensor]:
        layers: Any = self.network.weights  # a plain list, which the network's state leaves out
        return super().weights() | {f"layer {i}": weight for i, weight in enumerate(layers)}

    def __call__(self, image: Tensor, truth: Tensor, *, data_range: Tensor, **context: Any) -> Tensor | None:
        if min(image.shape[-2:]) < 32:
            return None
        network = self.network.to(image.device)
        return compared(image, truth, data_range, lambda i, t: network(in_colour(i), in_colour(t)))
