"""Noise on any measurement."""

import torch
from torch import Tensor

from bench.operators import Operator


class Noise(Operator):
    """Gaussian (sigma) or Poisson (photons) noise on any measurement.

    Gaussian: ``y = x + sigma n``, n standard normal, per pixel and channel. Poisson:
    ``y = P(photons x) / photons``, negative values counted as 0. With both, Poisson comes first.

    ``inverse`` is the identity: the noisy measurement itself is the estimate.

    Args:
        image_shape: shape of one measurement, any number of axes.
        sigma: standard deviation on the scale of the data; 0.1 if neither is given.
        photons: expected count at intensity 1.

    Raises:
        ValueError: sigma is negative or photons is not positive.
    """

    noise = True

    def __init__(
        self, image_shape: tuple[int, ...], sigma: float | None = None, photons: float | None = None
    ):
        super().__init__(image_shape)
        if sigma is not None and not sigma >= 0:
            raise ValueError(f"sigma must be at least 0, not {sigma}")
        if photons is not None and not photons > 0:
            raise ValueError(f"photons must be positive, not {photons}")
        self.sigma = 0.1 if sigma is None and photons is None else sigma or 0.0
        self.photons = photons

    def forward(self, x: Tensor, generator: torch.Generator) -> Tensor:
        if self.photons is not None:
            x = torch.poisson(x.clamp_min(0) * self.photons, generator) / self.photons
        if self.sigma == 0:
            return x.clone()
        noise = torch.randn(x.shape, generator=generator, device=x.device, dtype=x.dtype)
        return x + self.sigma * noise

    def inverse(self, y: Tensor) -> Tensor:
        return y
