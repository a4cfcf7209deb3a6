"""How well a reconstruction explains its measurement."""

from typing import Any

import torch
from torch import Tensor

from bench.metrics import Metric
from bench.operators import Operator
from bench.operators.shared.chain import without_noise


class Residual(Metric):
    """Distance of A(x) from y in units of the noise, ``sqrt(mean(|y - A(x)|^2 / s^2))``; needs no truth.

    A is the operator without its noise, s the standard deviation of the noise of each value given A(x). The
    truth has about 1. Far above, the measurement contradicts the reconstruction: it was invented, or
    blurred. Far below, the noise was fitted. "-" without noise, with noise that has no
    deviation (salt and pepper, rounding) or that is not the last thing to happen, and for ciphers, where
    one grey level changes every byte.
    """

    higher_is_better = False
    of_measurement = True

    def __call__(
        self,
        image: Tensor,
        truth: Tensor,
        *,
        y: Tensor,
        operator: Operator,
        noise: Operator | None,
        **context: Any,
    ) -> Tensor | None:
        system = without_noise(operator)
        if noise is None or not system.continuous:
            return None
        clean = system.measure(image, torch.Generator(image.device).manual_seed(0))
        deviation = noise.deviation(clean)
        if deviation is None:
            return None
        return ((y - clean).abs().double() / deviation).square().flatten(1).mean(1).sqrt()
