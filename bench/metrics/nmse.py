"""Normalised mean squared error."""

from typing import Any

from torch import Tensor

from bench.metrics import Metric

#: Root mean square, as a share of the range, that a darker truth counts as: a black image has no other scale.
DARKEST = 1e-3


class NMSE(Metric):
    """Normalised mean squared error, ``|x - truth|^2 / |truth|^2``.

    A truth that is all but black counts as if it had 0.1 % of the range in every pixel.
    """

    higher_is_better = False

    def __call__(self, image: Tensor, truth: Tensor, *, data_range: Tensor, **context: Any) -> Tensor:
        error = (image.double() - truth).flatten(1).square().mean(1)
        scale = truth.double().flatten(1).square().mean(1)
        return error / scale.maximum((DARKEST * data_range).square())
