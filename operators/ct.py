"""Computed tomography."""

import math
from copy import copy
from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor

from bench.errors import without_effect
from bench.operators import Operator
from bench.operators._beams import Geometry
from bench.operators._checks import positive
from bench.operators._fbp import high_pass, ray_weights
from bench.operators._projector import Projector
from bench.operators._resample import cast, resample, resampling
from bench.operators.noise import Noise

#: LoDoPaB-CT: largest attenuation 81.35858 / m over an image side of 0.26 m.
LODOPAB = 81.35858 * 0.26
#: Noise of a sinogram where nothing else is said.
SIGMA = 0.01
#: How many times as fine is the grid of the simulation, where nothing else is said.
OVERSAMPLE = 2
#: Values of one measurement, or of the grid that it is simulated on, at most: 256 MiB in float32.
LARGEST = 2**26


class CT(Operator):
    """Computed tomography: line integrals in parallel or fan beams; inverse: filtered back-projection.

        y[a, k] = mean over bin k of the integral of x along its rays at angle a

    with the longer side of the image as the unit of length, so that y lies in [0, 1.42]. Each channel
    is measured by itself: x (B, C, H, W), y (B, C, angles, detectors). The adjoint is exact. Up to
    1 GiB it is one sparse matrix (and its transpose); in larger settings that of one ray in eight, which
    turns and reflections of the image take to all others, where the angles allow it (LoDoPaB-CT's do);
    beyond, the same weights are made anew in each application.

    The defaults are the sparse view of DIVal's ellipses: 30 angles over half a turn, simulated on a finer
    grid than that of the reconstruction, with Gaussian noise (there 2.5 % of the mean measurement, on
    photos about 0.01). Data without noise from the very grid they are reconstructed on, the "inverse
    crime" (Colton & Kress), have to be asked for: ``ct:oversample=1,sigma=0``. LoDoPaB-CT is
    ``ct:angles=1000,detectors=513+noise:photons=4096`` at 362x362 (Leuschner et al., Sci. Data 8, 2021).
    The fan beam's default distances are a clinical scanner's, 595 and 490.6 mm, around 260 mm.

    Args:
        image_shape: ``(C, H, W)``.
        angles: number of views, evenly spread over ``arc``.
        detectors: number of bins; default: an odd number, one pixel wide each in the image's centre,
            that covers the image from every side.
        arc: degrees; default: 180, fan beam 360. Less than 180, in a fan beam less than the short scan
            (180 and the opening of the fan: 216 at the default distances), is a limited angle, for which
            ``inverse`` does not correct; from there on it weights what is measured twice (Parker 1982).
        geometry: ``parallel`` or ``fan`` (flat detector).
        detector_width: width of a bin on the detector, in pixels; default: the detector covers the image.
        source: from the source to the centre, in image sides; fan beam only, default 595 / 260.
        detector: from the centre to the detector, in image sides; fan beam only, default 490.6 / 260.
        start: angle of the first view, in degrees: at 0 the detector's bins run from left to right and the
            source of a fan beam is below the image; at 90 they run upwards and it is at the right.
        offset: of the detector's middle from the ray through the axis of rotation, in bins.
        right: of the image's centre from the axis of rotation, in pixels.
        up: likewise, above it.
        oversample: measurements are simulated on a grid this many times as fine (bicubic), while
            ``inverse`` and ``system`` stay on the image's own; 1: data and reconstruction share one
            discretisation.
        sigma: standard deviation of Gaussian noise on the sinogram; default: 0.01, or none where the
            chain itself says what noise there is. The harness adds it (``own_noise``), so that the
            operator stays linear.
        filter: of the inverse: ``ramp``, ``hann`` or ``shepp-logan``.
        cutoff: where the filter ends, as a share of the highest frequency; LoDoPaB: hann, 0.641.
        attenuation: along one image side of intensity 1; what ``noise:photons`` counts by.
            Default: LoDoPaB's 81.35858 / m over 0.26 m.

    Raises:
        ValueError: a value outside its range, a fan beam's in parallel beams, or a setting so large that
            one measurement or the grid it is simulated on has more than 2^26 values.
    """

    linear = True

    def __init__(
        self,
        image_shape: tuple[int, ...],
        angles: int = 30,
        detectors: int | None = None,
        arc: float | None = None,
        geometry: Literal["parallel", "fan"] = "parallel",
        detector_width: float | None = None,
        source: float | None = None,
        detector: float | None = None,
        start: float = 0.0,
        offset: float = 0.0,
        right: float = 0.0,
        up: float = 0.0,
        oversample: int = OVERSAMPLE,
        sigma: float | None = None,
        filter: Literal["ramp", "hann", "shepp-logan"] = "ramp",
        cutoff: float = 1.0,
        attenuation: float = LODOPAB,
    ):
        super().__init__(image_shape)
        _, rows, columns = self.image_shape
        self.side = max(rows, columns)
        fan = geometry == "fan"
        if not fan:
            without_effect("geometry=parallel", source=source, detector=detector)
        source = 595 / 260 if source is None else source
        detector = 490.6 / 260 if detector is None else detector
        arc = (360.0 if fan else 180.0) if arc is None else arc
        if sigma is not None and not sigma >= 0:
            raise ValueError(f"sigma must be at least 0, not {sigma}")
        sizes = {"angles": angles, "oversample": oversample, "detectors": detectors}
        lengths = {"arc": arc, "detector_width": detector_width, "cutoff": cutoff, "attenuation": attenuation}
        positive(**sizes, **lengths)
        nearest = math.hypot(columns / 2 + abs(right), rows / 2 + abs(up)) / self.side
        if fan and (source <= nearest or detector < 0):
            raise ValueError(
                f"source={source:g}, detector={detector:g}: the source must be outside the image, more than "
                f"{nearest:.3g} image sides from its centre, and the detector at 0 or more behind it"
            )
        self.filter, self.cutoff, self.attenuation = filter, cutoff, attenuation
        self.oversample, self.sigma = oversample, sigma
        self.arc = math.radians(arc)
        self.step = self.arc / angles
        distances = (source * self.side, detector * self.side) if fan else ()
        bare = Geometry.covering((rows, columns), (0.0,), detectors, detector_width, *distances)
        self._hold_size(angles, bare.detectors)
        self.picture_axes = (f"angle {start:g} to {start + arc:g}°", f"detector 1 to {bare.detectors}")
        views = tuple(math.radians(start) + a * self.step for a in range(angles))
        self.geometry = replace(bare, angles=views, offset=offset, centre=(right, up))
        self._projectors: dict[tuple[int, torch.dtype, torch.device], Projector] = {}

    def _hold_size(self, angles: int, detectors: int) -> None:
        channels, rows, columns = self.image_shape
        sizes = {
            f"a measurement of {channels}x{angles}x{detectors}": channels * angles * detectors,
            f"a grid of {channels}x{rows * self.oversample}x{columns * self.oversample} to simulate it on": (
                channels * rows * columns * self.oversample**2
            ),
        }
        for what, values in sizes.items():
            if values > LARGEST:
                raise ValueError(
                    f"angles={angles}, detectors={detectors}, oversample={self.oversample}: {what} would "
                    f"have {values:,} values ({values * 4 / 2**30:,.1f} GiB an image), at most {LARGEST:,} "
                    "are possible: choose fewer angles or detectors, or a smaller oversample"
                )

    @property
    def measurement_shape(self) -> tuple[int, ...]:
        """``(C, angles, detectors)``."""
        return self.image_shape[0], len(self.geometry.angles), self.geometry.detectors

    def forward(self, x: Tensor, generator: torch.Generator | None = None) -> Tensor:
        if self.oversample > 1:
            x = resample(*self._finer(x), x)
        y = self._projector(x, self.oversample).forward(x.flatten(2).flatten(0, 1))
        return y.reshape(-1, *self.measurement_shape) / (self.side * self.oversample)

    def own_noise(self, named: bool) -> Noise | None:
        sigma = (0.0 if named else SIGMA) if self.sigma is None else self.sigma
        if not sigma:
            return None
        noise = _Usual if self.sigma is None else Noise
        return noise(self.measurement_shape, sigma=sigma)

    def implied(self) -> tuple[str, ...]:
        return ("finer grid",) if self.oversample == OVERSAMPLE else ()

    def adjoint(self, y: Tensor) -> Tensor:
        x = self._projector(y, self.oversample).adjoint(y.flatten(2).flatten(0, 1))
        channels, *size = self.image_shape
        x = x.reshape(-1, channels, *(n * self.oversample for n in size)) / (self.side * self.oversample)
        if self.oversample > 1:
            rows, columns = self._finer(x)
            x = resample(rows.T, columns.T, x)
        return x

    @property
    def system(self) -> Operator:
        if self.oversample == 1:
            return self
        coarse = copy(self)
        coarse.oversample = 1
        return coarse

    def inverse(self, y: Tensor) -> Tensor:
        """Filtered back-projection (Kak & Slaney 1988, chapter 3), with Parker's weights where they apply."""
        filtered = self._filtered(y)
        x = self._projector(y, 1).smear(filtered.flatten(2).flatten(0, 1))
        return x.reshape(-1, *self.image_shape) * self.step

    def as_image(self, y: Tensor) -> Tensor:
        return self.inverse(y)

    def _filtered(self, y: Tensor) -> Tensor:
        """The sinogram's rays weighted, then each of its rows high-pass filtered."""
        geometry = self.geometry
        size = 2 ** math.ceil(math.log2(max(64, 2 * geometry.detectors)))
        weights = self.constant(
            f"rays {y.dtype}", y.device, lambda: ray_weights(geometry, self.arc).to(y.dtype)
        )
        response = self.constant(
            f"filter {y.dtype}", y.device, lambda: high_pass(size, self.filter, self.cutoff).to(y.dtype)
        )
        spectrum = torch.fft.rfft(y * weights, n=size) * response
        spacing = geometry.width / geometry.magnification / self.side
        rows: Tensor = torch.fft.irfft(spectrum, n=size)[..., : geometry.detectors]
        return rows / spacing

    def _projector(self, like: Tensor, oversample: int) -> Projector:
        key = oversample, like.dtype, like.device
        if key not in self._projectors:
            self._projectors[key] = Projector(self.geometry.finer(oversample), like.device, like.dtype)
        return self._projectors[key]

    def _finer(self, like: Tensor) -> tuple[Tensor, Tensor]:
        """Matrices that resample rows and columns to the finer grid."""
        rows, columns = (
            self.constant(f"finer {size} {like.dtype}", like.device, cast(self._upsampling, size, like.dtype))
            for size in self.image_shape[1:]
        )
        return rows, columns

    def _upsampling(self, size: int) -> Tensor:
        return resampling(size, size * self.oversample)


class _Usual(Noise):
    """The noise of a sinogram that nobody asked for."""

    def implied(self) -> tuple[str, ...]:
        return (f"noise {self.sigma:g}",)
