"""Recorded Cartesian MRI: k-space as the scanner stored it, a mask and coil maps for each item."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad

from bench.operators import Operator


class Scan(NamedTuple):
    """How one item was measured.

    Attributes:
        grid: rows and columns of its k-space, at least those of the image.
        lines: which columns were measured, ``(columns,)`` bool, or which rows and columns.
        maps: sensitivities of the coils, ``(coils, H, W)`` complex64; None: one coil that sees all alike.
    """

    grid: tuple[int, int]
    lines: Tensor
    maps: Tensor | None = None


class Cartesian(Operator):
    """Some columns of the centred Fourier transform, seen by each coil.

        y_c = M F P (S_c x),   F unitary and centred, P pads with zeros to the grid of k-space

    x (B, 1, H, W) complex; y (B, 2 coils, rows, columns): the real parts of all coils, then the imaginary
    parts, 0 where nothing was measured; a grid that is smaller than the largest ends in zeros. ``inverse`` is
    the adjoint: the zero-filled reconstruction, coils combined by their maps. What a network sees are its
    real and imaginary part.

    Args:
        image_shape: ``(1, H, W)``.
        scans: one for each item of a batch; a smaller batch is its first ones.
        coils: how many there are.
        room: rows and columns that hold every grid.

    Reference:
        Pruessmann, Weiger, Scheidegger, Boesiger: SENSE: sensitivity encoding for fast MRI, Magnetic
        Resonance in Medicine 42, 1999.
    """

    linear = True
    image_dtype = torch.complex64

    def __init__(
        self, image_shape: tuple[int, ...], scans: Sequence[Scan], coils: int, room: tuple[int, int]
    ):
        super().__init__(image_shape)
        self.scans, self.coils, self.room = list(scans), coils, room
        self.norm = max(map(_loudest, self.scans), default=1.0)

    @property
    def measurement_shape(self) -> tuple[int, ...]:
        """``(2 coils, *room)``."""
        return 2 * self.coils, *self.room

    def items(self, first: int, last: int) -> "Operator":
        return type(self)(self.image_shape, self.scans[first:last], self.coils, self.room)

    def forward(self, x: Tensor, generator: torch.Generator) -> Tensor:
        y = torch.stack([self._spectrum(*pair) for pair in zip(self.scans, x, strict=False)])
        return torch.cat([y.real, y.imag], 1)

    def _spectrum(self, scan: Scan, image: Tensor) -> Tensor:
        """What was measured of one image, ``(coils, *room)`` complex64."""
        seen = image.expand(self.coils, -1, -1) if scan.maps is None else scan.maps.to(image.device) * image
        spectrum = centred(torch.fft.fft2, outer(seen, scan.grid)) * scan.lines.to(image.device)
        rows, columns = (whole - part for whole, part in zip(self.room, scan.grid, strict=True))
        return pad(spectrum, (0, columns, 0, rows))

    def adjoint(self, y: Tensor) -> Tensor:
        return torch.stack([self._combined(*pair) for pair in zip(self.scans, self.images(y), strict=False)])

    def inverse(self, y: Tensor) -> Tensor:
        return self.adjoint(y)

    def as_image(self, y: Tensor) -> Tensor:
        return super().as_image(self.adjoint(y))

    def images(self, y: Tensor) -> list[Tensor]:
        """The zero-filled images of each item's coils, ``(coils, H, W)`` complex64."""
        spectra = torch.complex(*y.chunk(2, 1))
        return [self._image(scan, spectrum) for scan, spectrum in zip(self.scans, spectra, strict=False)]

    def _image(self, scan: Scan, spectrum: Tensor) -> Tensor:
        measured = spectrum[:, : scan.grid[0], : scan.grid[1]] * scan.lines.to(spectrum.device)
        return inner(centred(torch.fft.ifft2, measured), self.image_shape[1:])

    @staticmethod
    def _combined(scan: Scan, image: Tensor) -> Tensor:
        """Of one coil its image; of several their sum, each times its map's conjugate."""
        if scan.maps is None:
            return image.sum(0, keepdim=True)
        return (scan.maps.to(image.device).conj() * image).sum(0, keepdim=True)


class Magnitude(Cartesian):
    """Recorded Cartesian MRI whose images are magnitudes, as fastMRI's references are.

    y is that of :class:`Cartesian`, but it was made from complex images: no linear map leads from the
    magnitude to it. ``inverse`` and what a network sees are the zero-filled magnitude: of several coils the
    root of their sum of squares.
    """

    linear = False
    image_dtype = torch.float32

    @property
    def system(self) -> Operator:
        raise NotImplementedError(
            "no linear map leads from an image's magnitude to its k-space: have complex images, phase=true"
        )

    def can(self, method: str) -> bool:
        return method != "adjoint" and super().can(method)

    def inverse(self, y: Tensor) -> Tensor:
        return torch.stack([rss(image) for image in self.images(y)])

    def as_image(self, y: Tensor) -> Tensor:
        return self.inverse(y)


def centred(transform: Callable[..., Tensor], x: Tensor) -> Tensor:
    """``torch.fft.fft2`` or its inverse, unitary, with the origin in the middle of both grids."""
    moved = transform(torch.fft.ifftshift(x, (-2, -1)), norm="ortho")
    shifted: Tensor = torch.fft.fftshift(moved, (-2, -1))
    return shifted


def inner(x: Tensor, size: Sequence[int]) -> Tensor:
    """The middle ``size`` of the last two axes; a view."""
    top, left = ((whole - part) // 2 for whole, part in zip(x.shape[-2:], size, strict=True))
    return x[..., top : top + size[0], left : left + size[1]]


def _loudest(scan: Scan) -> float:
    """The norm of a scan with all lines: the largest root of sum of squares of its maps; 1 of one coil."""
    return 1.0 if scan.maps is None else float(rss(scan.maps).max())


def outer(x: Tensor, size: Sequence[int]) -> Tensor:
    """``x`` in the middle of zeros of ``size``: the adjoint of :func:`inner`."""
    over = [whole - part for whole, part in zip(size, x.shape[-2:], strict=True)]
    (top, left) = (side // 2 for side in over)
    return pad(x, (left, over[1] - left, top, over[0] - top))


def rss(images: Tensor) -> Tensor:
    """Root of the sum of squares over coils: ``(coils, H, W)`` to ``(1, H, W)``."""
    return images.abs().square().sum(0, keepdim=True).sqrt()


def sensitivities(centre: Tensor, size: Sequence[int]) -> Tensor:
    """Coil maps from the middle of k-space: images of low resolution over their root of sum of squares.

    What is there is tapered by Hann windows along the axes that it does not fill: else the maps would ring.

    Args:
        centre: ``(coils, rows, columns)`` complex64, 0 beyond the middle.
        size: of the maps.

    Returns:
        ``(coils, *size)`` complex64; the sum of their squared magnitudes is 1 wherever there is signal.
    """
    there = (centre != 0).any(0)
    rows, columns = _taper(there.any(1)), _taper(there.any(0))
    images = inner(centred(torch.fft.ifft2, centre * (rows[:, None] * columns)), size)
    return images / rss(images).clamp_min(1e-12)


def _taper(there: Tensor) -> Tensor:
    """A Hann window over what is there of an axis, 1 if it is all there: ``(n,)`` float32."""
    taper, found = there.float(), there.nonzero()[:, 0]
    if len(found) and not there.all():
        first, last = int(found[0]), int(found[-1]) + 1
        taper[first:last] = torch.hann_window(last - first + 2, periodic=False)[1:-1].to(taper)
    return taper
