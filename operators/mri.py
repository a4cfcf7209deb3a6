"""Magnetic resonance imaging."""

import math

import torch
from torch import Tensor

from bench.errors import at_least
from bench.operators import Operator
from bench.operators._checks import share
from bench.seeding import stream

#: Distance of simulated coils from the centre, and how far they reach, in halves of the image's side.
COIL_DISTANCE, COIL_REACH = 1.2, 0.8


class MRI(Operator):
    """Cartesian MRI: some columns of the centred Fourier transform, one coil or many; inverse: zero-filled.

        y = [Re, Im] of the chosen columns of F (S_k x), k = 1 ... coils,   F unitary

    x (B, C, H, W), real or complex, y (B, 2 coils C, H, lines): first the real parts, then the imaginary
    parts. The middle columns are all measured, the others at random, one fixed choice for every image.

    One coil sees all alike, S = 1. Several stand evenly around the image, and each sees what is near: S_k
    falls off as a Gaussian, with a phase that turns towards the coil, and sum |S_k|^2 = 1. With
    ``+noise:sigma=...`` each receives complex noise of its own.

    ``adjoint`` and ``inverse`` are the zero-filled reconstruction: the inverse transform with zeros where
    nothing was measured, coils combined by ``sum conj(S_k)``, of real images its real part. A network sees
    the same; of complex images real and imaginary parts as channels, (B, 2 C, H, W).

    The default is fastMRI's 4x with 8 % of the lines in the middle; its other setting is
    ``mri:acceleration=8,centre_fraction=0.04`` (Zbontar et al., arXiv 1811.08839).

    Args:
        image_shape: ``(C, H, W)``.
        acceleration: all lines over measured lines, at least 1.
        centre_fraction: share of all lines that is measured in the middle, in (0, 1 / acceleration].
        seed: of the choice of lines; default: the run's.
        coils: 1, or as many as stand around the image.

    Raises:
        ValueError: a value outside its range.

    Reference:
        Pruessmann, Weiger, Scheidegger, Boesiger: SENSE: sensitivity encoding for fast MRI, Magnetic
        Resonance in Medicine 42, 1999.
    """

    linear = True
    picture_axes = ("k_y", "k_x")

    def __init__(
        self,
        image_shape: tuple[int, ...],
        acceleration: float = 4.0,
        centre_fraction: float = 0.08,
        seed: int = 0,
        coils: int = 1,
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
        at_least(1, coils=coils)
        self.coils = coils
        self.norm = 1.0 if coils == 1 else None
        self.lines = _lines(self.image_shape[-1], acceleration, centre_fraction, seed)

    def forward(self, x: Tensor, generator: torch.Generator) -> Tensor:
        if self.coils > 1:
            x = (self._maps(x) * x[:, None]).flatten(1, 2)
        columns = torch.fft.fft(x, norm="ortho")[..., self._columns(x)]
        measured = torch.fft.fftshift(torch.fft.fft(columns, dim=-2, norm="ortho"), dim=-2)
        return torch.cat([measured.real, measured.imag], 1)

    def adjoint(self, y: Tensor) -> Tensor:
        real, imaginary = y.chunk(2, 1)
        measured = torch.fft.ifftshift(torch.complex(real, imaginary), dim=-2)
        spectrum = measured.new_zeros(*measured.shape[:-1], self.image_shape[-1])
        spectrum = spectrum.index_copy(-1, self._columns(y), measured)
        zero_filled: Tensor = torch.fft.ifft2(spectrum, norm="ortho")
        if self.coils > 1:
            zero_filled = (self._maps(y).conj() * zero_filled.unflatten(1, (self.coils, -1))).sum(1)
        return zero_filled if self.image_dtype.is_complex else zero_filled.real

    def inverse(self, y: Tensor) -> Tensor:
        return self.adjoint(y)

    def as_image(self, y: Tensor) -> Tensor:
        return super().as_image(self.adjoint(y))

    def _maps(self, like: Tensor) -> Tensor:
        """Sensitivities, ``(coils, 1, H, W)``, in the precision of ``like``."""
        height, width = self.image_shape[1:]
        maps = self.constant("maps", like.device, lambda: sensitivities(self.coils, height, width))
        double = like.dtype in (torch.float64, torch.complex128)
        return maps if double else maps.to(torch.complex64)

    def picture(self, y: Tensor) -> Tensor:
        """K-space (B, C, H, W): log(1 + 1000 |k| / max |k|) / log 1001 at its place, 0 where not measured."""
        magnitude = torch.hypot(*y.chunk(2, 1))
        largest = magnitude.amax((1, 2, 3), keepdim=True).clamp_min(torch.finfo(y.dtype).tiny)
        levels = torch.log1p(1000 * magnitude / largest) / math.log(1001)
        plane = levels.new_zeros(len(y), *self.image_shape)
        return plane.index_copy(-1, self.constant("lines", y.device, lambda: self.lines), levels)

    def _columns(self, like: Tensor) -> Tensor:
        """Where the lines of the centred transform lie in the transform itself."""
        width = self.image_shape[-1]
        return self.constant("columns", like.device, lambda: (self.lines - width // 2) % width)


def sensitivities(coils: int, height: int, width: int) -> Tensor:
    """Maps of coils evenly around an image, ``(coils, 1, H, W)`` complex128; their squares sum to 1."""
    rows = torch.linspace(-1, 1, height, dtype=torch.float64)[:, None]
    columns = torch.linspace(-1, 1, width, dtype=torch.float64)
    maps = []
    for k in range(coils):
        up, right = math.sin(2 * math.pi * k / coils), math.cos(2 * math.pi * k / coils)
        square = (rows - COIL_DISTANCE * up) ** 2 + (columns - COIL_DISTANCE * right) ** 2
        phase = (rows * up + columns * right) * math.pi / 2
        maps.append(torch.polar(torch.exp(-square / (2 * COIL_REACH**2)), phase))
    stacked = torch.stack(maps)[:, None]
    return stacked / stacked.abs().square().sum(0).sqrt()


def _lines(width: int, acceleration: float, centre_fraction: float, seed: int) -> Tensor:
    """Sorted columns of the centred transform: the middle ones, then others at random."""
    count = max(1, round(width / acceleration))
    middle = min(count, max(1, round(width * centre_fraction)))
    first = (width - middle + 1) // 2
    chosen = torch.arange(first, first + middle)
    others = torch.cat([torch.arange(first), torch.arange(first + middle, width)])
    shuffled = others[torch.randperm(len(others), generator=stream("cpu", seed, "mri"))]
    return torch.cat([chosen, shuffled[: count - middle]]).sort().values
