"""Noise on any measurement."""

import torch
from torch import Tensor

from bench.errors import UsageError, at_least
from bench.operators import Operator
from bench.operators._checks import positive


class Noise(Operator):
    """Noise on any measurement: Gaussian, Poisson, salt and pepper, quantisation.

    What is given is applied in this order; nothing given is Gaussian noise of sigma 0.1.

    - ``photons`` N: counts ``P(N x) / N``, P Poisson, negative values counted as 0. After a ``ct``
      (or any operator with an ``attenuation`` mu) x is a line integral, and as in LoDoPaB-CT the
      counts are those behind the object, 0 counted as 0.1: ``-log(P(N exp(-mu x)) / N) / mu``.
    - ``sigma``: ``x + sigma n``, n standard normal, independent in every value.
    - ``salt_pepper`` p: each value becomes 0 or 1 with probability p / 2 each.
    - ``bits`` b: values cut to [0, 1] and rounded to the nearest of ``2^b`` even steps.

    Of a complex measurement the real and the imaginary part each get noise of sigma; the other kinds are for
    real ones.

    ``inverse`` is the identity: the noisy measurement itself is the estimate.

    Args:
        image_shape: shape of one measurement, any number of axes.
        sigma: standard deviation on the scale of the data.
        photons: expected count at intensity 1, or of the unattenuated beam.
        salt_pepper: share of the values that are lost, in [0, 1].
        bits: of the quantiser, 1 to 16.
        previous: the operator before it in a chain.

    Raises:
        ValueError: a value outside its range.

    References:
        Leuschner et al.: LoDoPaB-CT, Scientific Data 8, 109 (2021): 4096 photons.
    """

    noise = True

    def __init__(
        self,
        image_shape: tuple[int, ...],
        sigma: float | None = None,
        photons: float | None = None,
        salt_pepper: float = 0.0,
        bits: int | None = None,
        previous: Operator | None = None,
    ):
        super().__init__(image_shape)
        at_least(0, **({} if sigma is None else {"sigma": sigma}))
        positive(photons=photons)
        if not 0 <= salt_pepper <= 1:
            raise ValueError(f"salt_pepper must be between 0 and 1, not {salt_pepper}")
        if bits is not None and not 1 <= bits <= 16:
            raise ValueError(f"bits must be between 1 and 16, not {bits}")
        nothing = sigma is None and photons is None and salt_pepper == 0 and bits is None
        self.sigma = 0.1 if nothing else sigma or 0.0
        self.photons, self.salt_pepper, self.bits = photons, salt_pepper, bits
        self.attenuation: float | None = getattr(previous, "attenuation", None)
        other = photons is not None or salt_pepper > 0 or bits is not None
        self.gaussian = None if other else self.sigma

    def forward(self, x: Tensor, generator: torch.Generator) -> Tensor:
        if x.is_complex():
            return self._complex(x, generator)
        x = x.clone() if self.photons is None and not self.sigma else x
        if self.photons is not None:
            x = self._counted(x, self.photons, generator)
        if self.sigma:
            noise = torch.randn(x.shape, generator=generator, device=x.device, dtype=x.dtype)
            x = noise.mul_(self.sigma).add_(x)
        if self.salt_pepper:
            chance = torch.rand(x.shape, generator=generator, device=x.device)
            x = x.masked_fill(chance < self.salt_pepper, 1.0)
            x = x.masked_fill(chance < self.salt_pepper / 2, 0.0)
        if self.bits:
            x = (x.clamp(0, 1) * (2**self.bits - 1)).round() / (2**self.bits - 1)
        return x

    def inverse(self, y: Tensor) -> Tensor:
        return y

    def deviation(self, clean: Tensor) -> Tensor | None:
        """``sqrt(x / N)`` of counts, ``exp(mu x / 2) / (sqrt(N) mu)`` behind an object; of one at least."""
        if self.salt_pepper or self.bits or not (self.sigma or self.photons):
            return None
        variance = torch.full_like(clean, self.sigma**2)
        if self.photons is not None:
            rate = clean if self.attenuation is None else torch.exp(-self.attenuation * clean)
            rate = rate.clamp_min(1 / self.photons)
            counted = rate if self.attenuation is None else 1 / (rate * self.attenuation**2)
            variance = variance + counted / self.photons
        return variance.sqrt()

    def _complex(self, x: Tensor, generator: torch.Generator) -> Tensor:
        if self.gaussian is None:
            raise UsageError(
                "noise of photons, salt_pepper or bits is for real measurements; these are complex"
            )
        parts = torch.view_as_real(x)
        noise = torch.randn(parts.shape, generator=generator, device=x.device, dtype=parts.dtype)
        return torch.view_as_complex(parts + self.sigma * noise)

    def _counted(self, x: Tensor, photons: float, generator: torch.Generator) -> Tensor:
        if self.attenuation is None:
            return torch.poisson(x.clamp_min(0) * photons, generator) / photons
        counts = torch.poisson(photons * torch.exp(-self.attenuation * x), generator)
        return -torch.log(counts.clamp_min(0.1) / photons) / self.attenuation
