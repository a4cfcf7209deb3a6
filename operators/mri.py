"""Magnetic resonance imaging."""

import math

import torch
from torch import Tensor

from bench.operators import Operator
from bench.operators._checks import share
from bench.seeding import stream


class MRI(Operator):
    """Cartesian MRI: some columns of the centred Fourier transform, one coil; inverse: zero-filled.

        y = [Re, Im] of the chosen columns of F x,   F unitary

    x (B, C, H, W), real or complex, y (B, 2 C, H, lines): first the real parts, then the imaginary
    parts. The middle columns are all measured, the others at random, one fixed choice for every image.
    ``adjoint`` and ``inverse`` are the zero-filled reconstruction: the inverse transform with zeros where
    nothing was measured, of real images its real part. A network sees the same; of complex images real
    and imaginary parts as channels, (B, 2 C, H, W).

    The default is fastMRI's 4x with 8 % of the lines in the middle; its other setting is
    ``mri:acceleration=8,centre_fraction=0.04`` (Zbontar et al., arXiv 1811.08839).

    Args:
        image_shape: ``(C, H, W)``.
        acceleration: all lines over measured lines, at least 1.
        centre_fraction: share of all lines that is measured in the middle, in (0, 1 / acceleration].
        seed: of the choice of lines; default: the run's.

    Raises:
        ValueError: a value outside its range.
    """

    linear = True

    def __init__(
        self,
        image_shape: tuple[int, ...],
        acceleration: float = 4.0,
        centre_fraction: float = 0.08,
        seed: int = 0,
    ):
        super().__init__(image_shape)
        if not acceleration >= 1:
            raise ValueError(f"acceleration must be at least 1, not {acceleration}")
        share(centre_fraction=centre_fraction)
        if centre_fraction > 1 / acceleration:
            raise ValueError(
                f"centre_fraction={centre_fraction} is more than all lines of acceleration={acceleration:g}; "
                f"at most {math.floor(1e4 / acceleration) / 1e4:g}"
            )
        self.lines = _lines(self.image_shape[-1], acceleration, centre_fraction, seed)

    def forward(self, x: Tensor, generator: torch.Generator) -> Tensor:
        columns = torch.fft.fft(x, norm="ortho")[..., self._columns(x)]
        measured = torch.fft.fftshift(torch.fft.fft(columns, dim=-2, norm="ortho"), dim=-2)
        return torch.cat([measured.real, measured.imag], 1)

    def adjoint(self, y: Tensor) -> Tensor:
        real, imaginary = y.chunk(2, 1)
        measured = torch.fft.ifftshift(torch.complex(real, imaginary), dim=-2)
        spectrum = measured.new_zeros(len(y), *self.image_shape)
        spectrum = spectrum.index_copy(-1, self._columns(y), measured)
        zero_filled: Tensor = torch.fft.ifft2(spectrum, norm="ortho")
        return zero_filled if self.image_dtype.is_complex else zero_filled.real

    def inverse(self, y: Tensor) -> Tensor:
        return self.adjoint(y)

    def as_image(self, y: Tensor) -> Tensor:
        return super().as_image(self.adjoint(y))

    def _columns(self, like: Tensor) -> Tensor:
        """Where the lines of the centred transform lie in the transform itself."""
        width = self.image_shape[-1]
        return self.constant("columns", like.device, lambda: (self.lines - width // 2) % width)


def _lines(width: int, acceleration: float, centre_fraction: float, seed: int) -> Tensor:
    """Sorted columns of the centred transform: the middle ones, then others at random."""
    count = max(1, round(width / acceleration))
    middle = min(count, max(1, round(width * centre_fraction)))
    first = (width - middle + 1) // 2
    chosen = torch.arange(first, first + middle)
    others = torch.cat([torch.arange(first), torch.arange(first + middle, width)])
    shuffled = others[torch.randperm(len(others), generator=stream("cpu", seed, "mri"))]
    return torch.cat([chosen, shuffled[: count - middle]]).sort().values
