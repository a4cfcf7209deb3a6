"""How each of deepinv's physics is made from an image's shape, a generator and what text can give.

One function each, called like the class: its parameters are those of the command line.
"""

import math
from collections.abc import Callable
from typing import Any, Literal

import torch
from deepinv import physics
from deepinv.physics import generator as random
from deepinv.physics.functional import bicubic_filter, bilinear_filter, gaussian_blur, sinc_filter
from deepinv.physics.phase_retrieval import build_probe, generate_shifts
from torch import Tensor

Shape = tuple[int, ...]
Filter = Literal["gaussian", "motion", "diffraction", "bilinear", "bicubic", "sinc"]
Padding = Literal["valid", "circular", "replicate", "reflect"]
Mask = Literal["gaussian", "random", "equispaced", "polynomial"]
#: Filters that are drawn, square ones of any side.
RANDOM = {"motion": random.MotionBlurGenerator, "diffraction": random.DiffractionBlurGenerator}


class _SpectralImaging(physics.CompressiveSpectralImaging):  # type: ignore[misc]
    """With the adjoint by differentiation: deepinv 0.4.2's own fails its dot test by far."""

    def A_adjoint(self, y: Tensor, **kwargs: Any) -> Tensor:
        x: Tensor = torch.func.vjp(self.A, y.new_zeros(len(y), *self.img_size))[1](y)[0]
        return x


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
    filter: Literal["gaussian", "bilinear", "bicubic", "sinc"] | None = "bicubic",
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
    filter: Literal["gaussian", "bilinear", "bicubic", "sinc"] = "bicubic",
    factor: int = 2,
    padding: Padding = "circular",
) -> Any:
    """The adjoint of downsampling: zeros between the pixels, then a filter by name."""
    channels, height, width = image_shape
    return physics.Upsampling((channels, factor * height, factor * width), filter, factor, padding)


def CompressedSensing(
    image_shape: Shape, rng: torch.Generator, m: int | None = None, channelwise: bool = False
) -> Any:
    """``m`` Gaussian projections of the image (of each channel); default: a quarter of its values."""
    return physics.CompressedSensing(_count(m, image_shape, channelwise), image_shape, channelwise, rng=rng)


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


def Denoising(image_shape: Shape, rng: torch.Generator, sigma: float = 0.1) -> Any:
    """The image itself with Gaussian noise of ``sigma`` behind it, or whatever noise a chain names."""
    return physics.Denoising(physics.GaussianNoise(sigma))


def HyperSpectralUnmixing(image_shape: Shape, rng: torch.Generator, bands: int = 64) -> Any:
    """Mixtures in ``bands`` bands of the channels, which are abundances, with random spectra."""
    return physics.HyperSpectralUnmixing(E=image_shape[0], C=bands)


def Inpainting(image_shape: Shape, rng: torch.Generator, mask: float = 0.5, pixelwise: bool = True) -> Any:
    """Pixels (values, unless ``pixelwise``) kept with probability ``mask``, the others 0."""
    return physics.Inpainting(image_shape, mask, pixelwise, rng=rng)


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


def Pansharpen(
    image_shape: Shape,
    rng: torch.Generator,
    filter: Literal["gaussian", "bilinear", "bicubic", "sinc"] = "bilinear",
    factor: int = 4,
    srf: Literal["rec601", "flat", "random"] = "flat",
    padding: Padding = "circular",
) -> Any:
    """The image at 1 / ``factor`` of its resolution, and one grey channel at full resolution."""
    return physics.Pansharpen(
        image_shape, filter, factor, srf, physics.ZeroNoise(), physics.ZeroNoise(), padding=padding
    )


def PtychographyLinearOperator(
    image_shape: Shape, rng: torch.Generator, positions: int = 25, radius: int = 10
) -> Any:
    """Spectra of the image under a disk of ``radius`` at a square number of ``positions``, complex."""
    return physics.PtychographyLinearOperator(_grey(image_shape), *_scan(image_shape, positions, radius))


def Ptychography(image_shape: Shape, rng: torch.Generator, positions: int = 25, radius: int = 10) -> Any:
    """Squared magnitudes of the spectra under a disk of ``radius`` at a square number of ``positions``."""
    return physics.Ptychography(_grey(image_shape), *_scan(image_shape, positions, radius))


def RandomPhaseRetrieval(
    image_shape: Shape, rng: torch.Generator, m: int | None = None, channelwise: bool = False
) -> Any:
    """Squared magnitudes of ``m`` complex Gaussian projections; default: twice the image's values."""
    count = _count(m, image_shape, channelwise, rate=2)
    return physics.RandomPhaseRetrieval(count, image_shape, channelwise, rng=rng)


def StructuredRandom(
    image_shape: Shape, rng: torch.Generator, height: int | None = None, n_layers: int = 1
) -> Any:
    """Random signs and a sine transform, ``n_layers`` times; padded or cut to ``height`` rows."""
    return physics.StructuredRandom(image_shape, _stretched(image_shape, height), n_layers, rng=rng)


def StructuredRandomPhaseRetrieval(
    image_shape: Shape,
    rng: torch.Generator,
    height: int | None = None,
    n_layers: float = 2.0,
    shared_weights: bool = False,
) -> Any:
    """Squared magnitudes of random phases and Fourier transforms, ``n_layers`` times."""
    output = _stretched(image_shape, height)
    return physics.StructuredRandomPhaseRetrieval(
        image_shape, output, n_layers, shared_weights=shared_weights
    )


def SinglePixelCamera(
    image_shape: Shape,
    rng: torch.Generator,
    m: int | None = None,
    fast: bool = True,
    ordering: Literal["sequency", "cake_cutting", "zig_zag", "xy", "old_sequency"] = "sequency",
) -> Any:
    """``m`` Hadamard coefficients of every channel; default: a quarter of its pixels."""
    return physics.SinglePixelCamera(_count(m, image_shape, True), image_shape, fast, ordering, rng=rng)


def SpatialUnwrapping(
    image_shape: Shape,
    rng: torch.Generator,
    threshold: float = 1.0,
    mode: Literal["round", "floor"] = "round",
) -> Any:
    """Values modulo ``threshold``, by rounding or flooring."""
    return physics.SpatialUnwrapping(threshold, mode)


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


def _count(m: int | None, shape: Shape, channelwise: bool, rate: float = 0.25) -> int:
    """Number of measurements; by default a share of the number of values."""
    if m is not None and m < 1:
        raise ValueError(f"m must be at least 1, not {m}")
    values = math.prod(shape[-2:] if channelwise else shape)
    return m if m is not None else max(1, round(rate * values))


def _stretched(shape: Shape, height: int | None) -> Shape:
    """Shape of the output; by default as many values as the image has."""
    return (shape[0], height or shape[1], shape[2])


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


MAKERS: dict[str, Callable[..., Any]] = {
    maker.__name__: maker
    for maker in (
        Blur, BlurFFT, CompressedSensing, CompressiveSpectralImaging, Decolorize, Demosaicing, Denoising,
        Downsampling, DownsamplingMatlab, HyperSpectralUnmixing, Inpainting, MRI, MultiCoilMRI, Pansharpen,
        Ptychography, PtychographyLinearOperator, RandomPhaseRetrieval, SinglePixelCamera, SpaceVaryingBlur,
        SpatialUnwrapping, StructuredRandom, StructuredRandomPhaseRetrieval, TiledSpaceVaryingBlur,
        Tomography, Upsampling,
    )
}  # fmt: skip
