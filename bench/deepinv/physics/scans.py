"""What scanners measure: spectra, line integrals, diffraction patterns."""

import math
from typing import Any

import torch
from deepinv import physics
from deepinv.physics import generator as random
from deepinv.physics.phase_retrieval import build_probe, generate_shifts
from torch import Tensor

from bench.deepinv.physics.names import Mask, Shape


def MRI(
    image_shape: Shape,
    rng: torch.Generator,
    mask: Mask = "gaussian",
    acceleration: int = 4,
    center_fraction: float | None = None,
) -> Any:
    """Columns of the spectrum, one coil; of real images, by channel: real parts, then imaginary parts."""
    size = image_shape[-2:]
    return physics.MRI(_lines(size, rng, mask, acceleration, center_fraction), img_size=size)


def MultiCoilMRI(
    image_shape: Shape,
    rng: torch.Generator,
    mask: Mask = "gaussian",
    acceleration: int = 4,
    center_fraction: float | None = None,
    coils: int = 4,
) -> Any:
    """Columns of the spectrum as seen by ``coils`` coils on a circle; colours one by one."""
    size = image_shape[-2:]
    lines = _lines(size, rng, mask, acceleration, center_fraction)
    return physics.MultiCoilMRI(lines, _coil_maps(coils, size), img_size=size)


def Tomography(
    image_shape: Shape,
    rng: torch.Generator,
    angles: int = 60,
    circle: bool = False,
    normalize: bool = True,
    fan_beam: bool = False,
) -> Any:
    """Line integrals at ``angles`` angles over 180 degrees, or of a fan; inverse: filtered backprojection."""
    if image_shape[-2] != image_shape[-1]:
        raise ValueError(f"it takes square images, not {image_shape[-2]}x{image_shape[-1]}")
    return physics.Tomography(
        angles, image_shape[-1], circle, parallel_computation=True, normalize=normalize, fan_beam=fan_beam
    )


def PtychographyLinearOperator(
    image_shape: Shape, rng: torch.Generator, positions: int = 25, radius: int = 10
) -> Any:
    """Spectra of the image under a disk of ``radius`` at a square number of ``positions``, complex."""
    return physics.PtychographyLinearOperator(_grey(image_shape), *_scan(image_shape, positions, radius))


def Ptychography(image_shape: Shape, rng: torch.Generator, positions: int = 25, radius: int = 10) -> Any:
    """Squared magnitudes of the spectra under a disk of ``radius`` at a square number of ``positions``."""
    return physics.Ptychography(_grey(image_shape), *_scan(image_shape, positions, radius))


def _lines(size: Shape, rng: torch.Generator, name: Mask, acceleration: int, middle: float | None) -> Tensor:
    """Which columns of the spectrum are measured, ``(1, 1, H, W)``."""
    made = {
        "gaussian": random.GaussianMaskGenerator,
        "random": random.RandomMaskGenerator,
        "equispaced": random.EquispacedMaskGenerator,
        "polynomial": random.PolyOrderMaskGenerator,
    }[name](tuple(size), acceleration=acceleration, center_fraction=middle, rng=rng)
    lines: Tensor = made.step(1)["mask"][:, :1]
    return lines


def _coil_maps(coils: int, size: Shape) -> Tensor:
    """Sensitivities of coils on a circle around the image, ``(1, N, H, W)`` complex, of unit sum of squares.

    Gaussian in magnitude, with the phase of the angle at which a coil stands.
    """
    at = [torch.linspace(-1, 1, side) for side in size]
    rows, columns = torch.meshgrid(*at, indexing="ij")
    angles = torch.arange(coils) * (2 * math.pi / coils)
    distance = (rows - angles.sin()[:, None, None]) ** 2 + (columns - angles.cos()[:, None, None]) ** 2
    maps = torch.polar(torch.exp(-distance / 2), angles[:, None, None].expand_as(distance))
    return (maps / maps.abs().square().sum(0, keepdim=True).sqrt())[None]


def _scan(shape: Shape, positions: int, radius: int) -> tuple[Tensor, Tensor]:
    """Probe and its shifts on a square grid."""
    shape = _grey(shape)
    probe = build_probe(img_size=shape, type="disk", probe_radius=radius, device="cpu")
    return probe, generate_shifts(img_size=shape, n_img=positions)


def _grey(shape: Shape) -> Shape:
    return (1, *shape[-2:])
