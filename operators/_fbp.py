"""Filtered back-projection's weights of rays and its filter."""

import math

import torch
from torch import Tensor

from bench.operators._beams import Geometry


def ray_weights(geometry: Geometry, arc: float) -> Tensor:
    """What a sinogram is multiplied by before it is filtered: cosine of the fan angle times redundancy.

    Args:
        geometry: where rays run.
        arc: in radians; views are spread evenly over it, each stands for the middle of its share.

    Returns:
        ``(angles, detectors)`` float64.
    """
    gamma = torch.atan(geometry.bins / (geometry.source + geometry.detector))
    views = (torch.arange(len(geometry.angles), dtype=torch.float64) + 0.5) * arc / len(geometry.angles)
    return gamma.cos() * redundancy(views[:, None], gamma, arc, geometry.half_fan)


def redundancy(t: Tensor, gamma: Tensor, arc: float, half_fan: float) -> Tensor:
    """What each measurement of a line counts; over all measurements of that line it sums to 1.

    With ``m = (arc - pi) / 2``, for an arc from the short scan, ``m = half_fan``, up to a whole turn:

        w = sin^2(pi/2 a) sin^2(pi/2 b),    a = t / (2 m + 2 gamma),    b = (arc - t) / (2 m - 2 gamma),

    ``a`` and ``b`` at most 1 (Parker, Med. Phys. 9, 1982; beyond the short scan Silver, Med. Phys. 27,
    2000). Over whole turns (of parallel beams: half turns) all count the same. So they do below the
    short scan, where lines are missing: that is a limited angle, and not corrected for.

    Args:
        t: angle of the view, from 0 to ``arc``.
        gamma: angle between ray and central ray, positive where the detector's coordinate is.
        arc: in radians.
        half_fan: largest ``gamma`` of a ray that meets the image; 0 for parallel beams.
    """
    margin = (arc - math.pi) / 2
    turns = arc / (2 * math.pi if half_fan else math.pi)
    if math.isclose(turns, max(1, round(turns))) or not half_fan - 1e-9 <= margin <= math.pi / 2:
        return torch.full_like(t + gamma, 1 / max(1.0, arc / math.pi))
    # Beyond the half fan, where rays miss the image, the ramps may have no length.
    a = (t / (2 * (margin + gamma)).clamp_min(1e-9)).clamp(0, 1)
    b = ((arc - t) / (2 * (margin - gamma)).clamp_min(1e-9)).clamp(0, 1)
    return torch.sin(math.pi / 2 * a) ** 2 * torch.sin(math.pi / 2 * b) ** 2


def high_pass(size: int, window: str, cutoff: float) -> Tensor:
    """Response at the ``size // 2 + 1`` frequencies of a row: the ramp's band-limited taps, times the window.

    Divided by the transform of a bin, so that the detector's averaging is undone.

    Args:
        size: samples in a row.
        window: ``ramp``, ``hann`` or ``shepp-logan``.
        cutoff: where it ends, as a share of the highest frequency.
    """
    n = torch.fft.fftfreq(size, 1 / size, dtype=torch.float64)
    taps = torch.where(n % 2 == 1, -1 / (math.pi * n) ** 2, 0.0)
    taps[0] = 0.25
    frequency = torch.fft.rfftfreq(size, dtype=torch.float64) * 2 / cutoff
    aperture = torch.sinc(frequency * cutoff / 2)
    factor = {
        "ramp": torch.ones_like(frequency),
        "hann": 0.5 + 0.5 * torch.cos(math.pi * frequency),
        "shepp-logan": torch.sinc(frequency / 2),
    }[window]
    response: Tensor = torch.fft.rfft(taps).real * factor * (frequency <= 1) / aperture
    return response
