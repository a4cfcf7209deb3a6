"""Mean absolute error."""

from typing import Any

from torch import Tensor

from bench.metrics import Metric


class MAE(Metric):
    """Mean absolute error, in the unit of the images."""

    higher_is_better = False

    def __call__(self, image: Tensor, truth: Tensor, **context: Any) -> Tensor:
        return (image.double() - truth).abs().flatten(1).mean(1)
