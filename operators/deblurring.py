"""Deblurring."""

import math
from functools import partial
from typing import Literal

import torch
from torch import Tensor

from bench.errors import in_memory, without_effect
from bench.operators import Operator
from bench.operators._checks import positive
from bench.seeding import stream


class Deblurring(Operator):
    """Deblurring: circular convolution with a Gaussian or a motion kernel; inverse: Wiener filter.

    ``y = k * x`` per channel, by the FFT; images repeat at their edges, so a kernel larger than the
    image wraps around. The kernel is not negative and sums to 1. The adjoint is correlation;
    ``inverse`` is ``conj(K) Y / (|K|^2 + balance)``.

    The defaults are DPS's Gaussian blur: 61x61, sigma 3; its noise is ``+noise:sigma=0.05`` (Chung et
    al., ICLR 2023). ``kernel=motion`` is, as there, a random path at intensity 0.5, here half as long
    as the kernel's side: its direction drifts from a random start, by ``intensity * 180`` degrees
    (standard deviation) until its end.

    Args:
        image_shape: ``(C, H, W)``.
        kernel: ``gaussian`` or ``motion``.
        sigma: of the Gaussian, in pixels; default 3.
        intensity: of motion, 0 (straight) to 1; default 0.5.
        kernel_size: side of the kernel in pixels, odd; default 61, in smaller images the largest
            odd number that fits.
        balance: noise-to-signal ratio that the Wiener filter assumes.
        seed: of the motion path; default: the run's.

    Raises:
        ValueError: a value outside its range, or one that the kernel does not have.
    """

    linear = True

    def __init__(
        self,
        image_shape: tuple[int, ...],
        kernel: Literal["gaussian", "motion"] = "gaussian",
        sigma: float | None = None,
        intensity: float | None = None,
        kernel_size: int | None = None,
        balance: float = 0.01,
        seed: int = 0,
    ):
        super().__init__(image_shape)
        if kernel == "gaussian":
            without_effect("kernel=gaussian", intensity=intensity)
        else:
            without_effect("kernel=motion", sigma=sigma)
        sigma, intensity = 3.0 if sigma is None else sigma, 0.5 if intensity is None else intensity
        positive(sigma=sigma, kernel_size=kernel_size, balance=balance)
        if not 0 <= intensity <= 1:
            raise ValueError(f"intensity must be between 0 and 1, not {intensity}")
        size = kernel_size or min(61, (min(self.image_shape[-2:]) - 1) // 2 * 2 + 1)
        if size % 2 == 0:
            raise ValueError(f"kernel_size must be odd, not {size}")
        # The kernel, its copy, and indices of the same size where it is laid around the origin.
        in_memory(32.0 * size**2, kernel_size=size)
        self.balance = balance
        self.kernel = _gaussian(size, sigma) if kernel == "gaussian" else _motion(size, intensity, seed)

    def forward(self, x: Tensor, generator: torch.Generator) -> Tensor:
        return self._filter(x, self._spectrum(x))

    def adjoint(self, y: Tensor) -> Tensor:
        return self._filter(y, self._spectrum(y).conj())

    def inverse(self, y: Tensor) -> Tensor:
        spectrum = self._spectrum(y)
        return self._filter(y, spectrum.conj() / (spectrum.abs() ** 2 + self.balance))

    def _filter(self, x: Tensor, spectrum: Tensor) -> Tensor:
        filtered: Tensor = torch.fft.irfft2(torch.fft.rfft2(x) * spectrum, s=x.shape[-2:])
        return filtered

    def _spectrum(self, like: Tensor) -> Tensor:
        complex_type = torch.promote_types(like.dtype, torch.complex64)
        make = partial(self._transfer, complex_type)
        return self.constant(f"spectrum {complex_type}", like.device, make)

    def _transfer(self, dtype: torch.dtype) -> Tensor:
        """Transform of the kernel laid around the origin of the image, wrapped at its edges."""
        height, width = self.image_shape[-2:]
        at = torch.arange(len(self.kernel)) - len(self.kernel) // 2
        wrapped = torch.zeros(height, width, dtype=torch.float64)
        wrapped.index_put_((at[:, None] % height, at[None] % width), self.kernel, accumulate=True)
        transfer: Tensor = torch.fft.rfft2(wrapped)
        return transfer.to(dtype)


def _gaussian(size: int, sigma: float) -> Tensor:
    at = torch.arange(size, dtype=torch.float64) - size // 2
    profile = torch.exp(-(at**2) / (2 * sigma**2))
    kernel = profile[:, None] * profile
    kernel /= kernel.sum()
    return kernel


def _motion(size: int, intensity: float, seed: int) -> Tensor:
    """The time a point spends in each pixel on a random path, centred and half the kernel long."""
    steps = 1000
    turns = torch.randn(steps, generator=stream("cpu", seed, "motion"), dtype=torch.float64)
    start = 2 * math.pi * torch.rand(1, generator=stream("cpu", seed, "direction"), dtype=torch.float64)
    direction = start + intensity * math.pi * turns.cumsum(0) / math.sqrt(steps)
    path = torch.stack([direction.sin(), direction.cos()]).cumsum(1) * (size / 2 / steps)
    path = path - path.mean(1, keepdim=True) + size // 2
    corner = path.floor().long()
    after = path - corner
    kernel = torch.zeros(size + 1, size + 1, dtype=torch.float64)
    for i in (0, 1):
        for j in (0, 1):
            weight = (after[0] if i else 1 - after[0]) * (after[1] if j else 1 - after[1])
            kernel.index_put_((corner[0] + i, corner[1] + j), weight, accumulate=True)
    kernel = kernel[:size, :size]
    kernel /= kernel.sum()
    return kernel
