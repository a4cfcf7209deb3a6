"""Physics that work pixel by pixel, or on the channels of each pixel."""

from typing import Any, Literal

import torch
from deepinv import physics
from torch import Tensor

from bench.deepinv.physics.names import Shape


class _SpectralImaging(physics.CompressiveSpectralImaging):  # type: ignore[misc]
    """With the adjoint by differentiation: deepinv 0.4.2's own fails its dot test by far."""

    def A_adjoint(self, y: Tensor, **kwargs: Any) -> Tensor:
        x: Tensor = torch.func.vjp(self.A, y.new_zeros(len(y), *self.img_size))[1](y)[0]
        return x


def Denoising(image_shape: Shape, rng: torch.Generator, sigma: float = 0.1) -> Any:
    """The image itself with Gaussian noise of ``sigma`` behind it, or whatever noise a chain names."""
    return physics.Denoising(physics.GaussianNoise(sigma))


def Inpainting(image_shape: Shape, rng: torch.Generator, mask: float = 0.5, pixelwise: bool = True) -> Any:
    """Pixels (values, unless ``pixelwise``) kept with probability ``mask``, the others 0."""
    return physics.Inpainting(image_shape, mask, pixelwise, rng=rng)


def SpatialUnwrapping(
    image_shape: Shape,
    rng: torch.Generator,
    threshold: float = 1.0,
    mode: Literal["round", "floor"] = "round",
) -> Any:
    """Values modulo ``threshold``, by rounding or flooring."""
    return physics.SpatialUnwrapping(threshold, mode)


def Decolorize(
    image_shape: Shape, rng: torch.Generator, srf: Literal["rec601", "flat", "random"] = "rec601"
) -> Any:
    """One grey channel, by ``srf``: ``rec601`` of colour, ``flat`` or ``random`` of any channels."""
    if srf == "rec601" and image_shape[0] != 3:
        raise ValueError(f"srf=rec601 takes colour images, not {image_shape}; srf=flat takes any")
    return physics.Decolorize(image_shape[0], srf)


def Demosaicing(image_shape: Shape, rng: torch.Generator, pattern: Literal["bayer"] = "bayer") -> Any:
    """One colour per pixel, as a Bayer filter lets through."""
    if image_shape[0] != 3:
        raise ValueError(f"it takes colour images, not {image_shape}")
    return physics.Demosaicing(image_shape, pattern)


def HyperSpectralUnmixing(image_shape: Shape, rng: torch.Generator, bands: int = 64) -> Any:
    """Mixtures in ``bands`` bands of the channels, which are abundances, with random spectra."""
    return physics.HyperSpectralUnmixing(E=image_shape[0], C=bands)


def CompressiveSpectralImaging(
    image_shape: Shape,
    rng: torch.Generator,
    mask: float = 0.5,
    mode: Literal["ss", "sd"] = "ss",
    shear_dir: Literal["h", "w"] = "h",
) -> Any:
    """CASSI: a coded aperture open with probability ``mask``, sheared and summed over channels."""
    if image_shape[0] < 2:
        raise ValueError(f"it takes images of several channels, not {image_shape}")
    return _SpectralImaging(image_shape, mask, mode, shear_dir, rng=rng)
