"""Blurs, and the change of resolution that goes with one."""

from typing import Any, Literal

import torch
from deepinv import physics
from deepinv.physics import generator as random
from deepinv.physics.functional import bicubic_filter, bilinear_filter, gaussian_blur, sinc_filter
from torch import Tensor

from bench.deepinv.physics.names import Filter, Padding, Resampling, Shape

#: Filters that are drawn, square ones of any side.
RANDOM = {"motion": random.MotionBlurGenerator, "diffraction": random.DiffractionBlurGenerator}


def Blur(
    image_shape: Shape,
    rng: torch.Generator,
    filter: Filter = "gaussian",
    sigma: float = 2.0,
    angle: float = 0.0,
    size: int = 31,
    padding: Padding = "circular",
    use_fft: bool = False,
) -> Any:
    """Convolution with a filter by name; ``sigma`` of Gaussians, ``size`` of random ones, in pixels."""
    filled = kernel(image_shape, rng, filter, sigma, angle, size)
    return physics.Blur(filled, padding=padding, use_fft=use_fft)


def BlurFFT(
    image_shape: Shape,
    rng: torch.Generator,
    filter: Filter = "gaussian",
    sigma: float = 2.0,
    angle: float = 0.0,
    size: int = 31,
) -> Any:
    """Circular convolution with a filter by name, through the FFT, which inverts it too."""
    return physics.BlurFFT(image_shape, kernel(image_shape, rng, filter, sigma, angle, size))


def SpaceVaryingBlur(
    image_shape: Shape,
    rng: torch.Generator,
    filter: Literal["motion", "diffraction"] = "motion",
    size: int = 7,
    count: int = 4,
    padding: Padding = "reflect",
) -> Any:
    """Blur that varies over the image: ``count`` eigen-filters of random filters of side ``size``."""
    size = min(size, *image_shape[-2:])
    psf = RANDOM[filter]((size, size), rng=rng)
    spacing = max(2, min(image_shape[-2:]) // 2)
    made = random.ProductConvolutionBlurGenerator(psf, image_shape[-2:], count, (spacing, spacing)).step(1)
    return physics.SpaceVaryingBlur(made["filters"], made["multipliers"], padding=padding)


def TiledSpaceVaryingBlur(
    image_shape: Shape,
    rng: torch.Generator,
    filter: Literal["motion", "diffraction"] = "motion",
    size: int = 5,
    patch_size: int = 8,
    stride: int = 4,
    blending_mode: Literal["bump", "linear"] = "bump",
) -> Any:
    """Blur that varies over the image: one random filter for each overlapping patch."""
    tiles = random.TiledBlurGenerator(RANDOM[filter]((size, size), rng=rng), patch_size, stride, rng=rng)
    filters = tiles.step(1, img_size=image_shape[-2:])["filters"]
    return physics.TiledSpaceVaryingBlur(filters, patch_size, stride, blending_mode)


def Downsampling(
    image_shape: Shape,
    rng: torch.Generator,
    filter: Resampling | None = "bicubic",
    factor: int = 2,
    padding: Padding = "circular",
) -> Any:
    """Every ``factor``-th pixel in both directions, after a filter by name or none."""
    return physics.Downsampling(image_shape, filter, factor, padding=padding)


def DownsamplingMatlab(
    image_shape: Shape,
    rng: torch.Generator,
    factor: int = 2,
    kernel: Literal["cubic", "gaussian"] = "cubic",
    padding: Literal["reflect", "replicate"] = "reflect",
    antialiasing: bool = True,
) -> Any:
    """MATLAB's ``imresize`` by 1 / ``factor``, which has to divide the image's sides."""
    if image_shape[-2] % factor or image_shape[-1] % factor:
        raise ValueError(f"factor={factor} does not divide {image_shape[-2]}x{image_shape[-1]}")
    return physics.DownsamplingMatlab(factor, kernel, padding, antialiasing)


def Upsampling(
    image_shape: Shape,
    rng: torch.Generator,
    filter: Resampling = "bicubic",
    factor: int = 2,
    padding: Padding = "circular",
) -> Any:
    """The adjoint of downsampling: zeros between the pixels, then a filter by name."""
    channels, height, width = image_shape
    return physics.Upsampling((channels, factor * height, factor * width), filter, factor, padding)


def Pansharpen(
    image_shape: Shape,
    rng: torch.Generator,
    filter: Resampling = "bilinear",
    factor: int = 4,
    srf: Literal["rec601", "flat", "random"] = "flat",
    padding: Padding = "circular",
) -> Any:
    """The image at 1 / ``factor`` of its resolution, and one grey channel at full resolution."""
    return physics.Pansharpen(
        image_shape, filter, factor, srf, physics.ZeroNoise(), physics.ZeroNoise(), padding=padding
    )


def kernel(shape: Shape, rng: torch.Generator, name: Filter, sigma: float, angle: float, size: int) -> Tensor:
    """A blur filter ``(1, 1, h, w)`` by name; ``size`` is the side of random ones."""
    size = min(size, *shape[-2:])
    if name == "gaussian":
        made: Tensor = gaussian_blur(psf_size=None, sigma=(sigma, sigma), angle=angle)
    elif name in RANDOM:
        made = RANDOM[name]((size, size), rng=rng).step(1)["filter"]
    else:
        factor = max(2, round(sigma))
        made = {"bilinear": bilinear_filter, "bicubic": bicubic_filter, "sinc": sinc_filter}[name](factor)
    return made
