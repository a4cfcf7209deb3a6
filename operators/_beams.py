"""Parallel and fan-beam geometry: which detector bins a pixel shades, and how much. Lengths in pixels."""

import math
from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from torch import Tensor


@dataclass(frozen=True)
class Geometry:
    """Where rays run.

    At angle ``t`` the detector lies along ``(cos t, sin t)``, with x to the right and y up, and rays
    run along ``(-sin t, cos t)``.

    Attributes:
        shape: rows and columns of the image.
        angles: in radians.
        detectors: number of bins.
        width: width of a bin on the detector.
        source: distance from the source to the centre; infinite for parallel beams.
        detector: distance from the centre to the detector; of no effect for parallel beams.
        offset: of the detector's middle along the detector, in bins.
        centre: of the image, to the right of the axis of rotation and above it.
    """

    shape: tuple[int, int]
    angles: tuple[float, ...]
    detectors: int
    width: float
    source: float = math.inf
    detector: float = 0.0
    offset: float = 0.0
    centre: tuple[float, float] = (0.0, 0.0)

    @classmethod
    def covering(
        cls,
        shape: tuple[int, int],
        angles: tuple[float, ...],
        detectors: int | None,
        width: float | None,
        source: float = math.inf,
        detector: float = 0.0,
    ) -> "Geometry":
        """A detector that the whole image shades; its bins, by default, one pixel wide in the centre."""
        radius = math.hypot(*shape) / 2
        extent = 2 * radius
        if not math.isinf(source):
            extent *= (source + detector) / math.sqrt(source**2 - radius**2)
        bare = cls(shape, angles, 1, 1.0, source, detector)
        if detectors is None:
            width = width or bare.magnification
            detectors = math.ceil(extent / width) // 2 * 2 + 1
        return replace(bare, detectors=detectors, width=width or extent / detectors)

    def finer(self, factor: int) -> "Geometry":
        """The same rays through an image of ``factor`` times as many rows and columns."""
        rows, columns = self.shape
        return replace(
            self,
            shape=(rows * factor, columns * factor),
            width=self.width * factor,
            source=self.source * factor,
            detector=self.detector * factor,
            centre=(self.centre[0] * factor, self.centre[1] * factor),
        )

    @property
    def radius(self) -> float:
        """Of the circle around the axis that holds the image."""
        rows, columns = self.shape
        right, up = map(abs, self.centre)
        return math.hypot(columns / 2 + right, rows / 2 + up)

    @property
    def bins(self) -> Tensor:
        """Where the middle of each bin lies along the detector, ``(detectors,)`` float64."""
        numbers = torch.arange(self.detectors, dtype=torch.float64)
        return (numbers - (self.detectors - 1) / 2 + self.offset) * self.width

    @property
    def fan(self) -> bool:
        """Whether the source is at a finite distance."""
        return not math.isinf(self.source)

    @property
    def magnification(self) -> float:
        """Of an object in the centre, on the detector."""
        return (self.source + self.detector) / self.source if self.fan else 1.0

    @property
    def half_fan(self) -> float:
        """Largest angle between the central ray and one that meets image and detector; 0 if parallel."""
        if not self.fan:
            return 0.0
        edge = (self.detectors / 2 + abs(self.offset)) * self.width
        return min(math.asin(self.radius / self.source), math.atan(edge / (self.source + self.detector)))

    @property
    def bins_per_pixel(self) -> int:
        """Largest number of bins that one pixel can shade."""
        shadow = math.sqrt(2)
        if self.fan:
            nearest = self.source - self.radius
            obliquity = math.hypot(1, self.radius / nearest)
            shadow *= (self.source + self.detector) / nearest * obliquity
        return math.ceil(shadow / self.width) + 1

    def pixels(self, angles: Tensor) -> tuple[Tensor, Tensor]:
        """Of each pixel's centre, at each angle: position along the detector, and along the rays."""
        rows, columns = self.shape
        right, up = self.centre
        x = torch.arange(columns, device=angles.device, dtype=angles.dtype) - (columns - 1) / 2 + right
        y = (rows - 1) / 2 + up - torch.arange(rows, device=angles.device, dtype=angles.dtype)
        x, y = x.repeat(rows), y.repeat_interleave(columns)
        cos, sin = torch.cos(angles)[:, None], torch.sin(angles)[:, None]
        return x * cos + y * sin, y * cos - x * sin


def footprint(geometry: Geometry, angles: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Mean over each bin of the length of its rays inside each pixel.

    The shadow of a square pixel is a trapezoid between its projected corners, as high as the ray
    through its centre is long inside it. That is exact for parallel beams; for fan beams it is the
    separable footprint of Long, Fessler & Balter (IEEE Trans. Med. Imaging 29, 2010).

    Returns:
        The first bin that each pixel shades, and the weights in it and the ``bins_per_pixel - 1`` after
        it, each ``(angles, pixels)``.
    """
    left, slopes, height = _trapezoids(geometry, angles)
    position = left / geometry.width + geometry.detectors / 2 - geometry.offset
    first = torch.floor(position)
    start = (first - position) * geometry.width
    inner = [_area_left_of(start + k * geometry.width, slopes) for k in range(1, geometry.bins_per_pixel)]
    rise, flat, fall = slopes
    areas = [torch.zeros_like(left), *inner, rise / 2 + flat + fall / 2]
    scale = height / geometry.width
    return first.long(), [(after - before) * scale for before, after in pairwise(areas)]


def interpolation(geometry: Geometry, angles: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Linear interpolation of the detector's values where each pixel's centre falls.

    In a fan beam it is weighted by the squared ratio of the source's distance from the centre to that
    from the pixel, as filtered back-projection needs (Kak & Slaney 1988, section 3.4.2).

    Returns:
        The bin before it, and the weights of it and the next one, each ``(angles, pixels)``.
    """
    across, along = geometry.pixels(angles)
    nearness = geometry.source / (geometry.source + along) if geometry.fan else torch.ones_like(across)
    middle = (geometry.detectors - 1) / 2 - geometry.offset
    position = across * nearness * geometry.magnification / geometry.width + middle
    first = torch.floor(position)
    after = position - first
    return first.long(), [(1 - after) * nearness**2, after * nearness**2]


def _trapezoids(geometry: Geometry, angles: Tensor) -> tuple[Tensor, list[Tensor], Tensor]:
    """Left end of each pixel's shadow ``(angles, pixels)``, widths of its three parts, and its height.

    Widths and height are ``(angles, 1)`` in parallel beams, where all shadows are alike.
    """
    across, along = geometry.pixels(angles)
    cos, sin = torch.cos(angles)[:, None], torch.sin(angles)[:, None]
    if not geometry.fan:
        wide, narrow = torch.maximum(cos.abs(), sin.abs()), torch.minimum(cos.abs(), sin.abs())
        return across - (wide + narrow) / 2, [narrow, wide - narrow, narrow], 1 / wide
    along = along + geometry.source
    ray = across * cos - along * sin, across * sin + along * cos
    height = torch.hypot(across, along) / torch.maximum(ray[0].abs(), ray[1].abs())
    corners = [
        (across + dx * cos + dy * sin) / (along + dy * cos - dx * sin)
        for dx, dy in ((-0.5, -0.5), (-0.5, 0.5), (0.5, -0.5), (0.5, 0.5))
    ]
    knots = torch.stack(corners).sort(0).values * (geometry.source + geometry.detector)
    return knots[0], list(knots.diff(dim=0)), height


def _area_left_of(u: Tensor, slopes: list[Tensor]) -> Tensor:
    """Area left of ``u`` under a trapezoid of height 1 from 0, whose parts are so wide."""
    rise, flat, fall = slopes
    tiny = torch.finfo(u.dtype).eps
    zero = torch.zeros_like(rise)
    up = u.clamp(zero, rise)
    level = (u - rise).clamp(zero, flat)
    down = (u - rise - flat).clamp(zero, fall)
    return up**2 / (2 * rise).clamp_min(tiny) + level + down - down**2 / (2 * fall).clamp_min(tiny)
