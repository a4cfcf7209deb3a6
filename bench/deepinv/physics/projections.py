"""Random and structured projections of the whole image, and their squared magnitudes."""

import math
from typing import Any, Literal

import torch
from deepinv import physics

from bench.deepinv.physics.names import Shape


def CompressedSensing(
    image_shape: Shape, rng: torch.Generator, m: int | None = None, channelwise: bool = False
) -> Any:
    """``m`` Gaussian projections of the image (of each channel); default: a quarter of its values."""
    return physics.CompressedSensing(_count(m, image_shape, channelwise), image_shape, channelwise, rng=rng)


def SinglePixelCamera(
    image_shape: Shape,
    rng: torch.Generator,
    m: int | None = None,
    fast: bool = True,
    ordering: Literal["sequency", "cake_cutting", "zig_zag", "xy", "old_sequency"] = "sequency",
) -> Any:
    """``m`` Hadamard coefficients of every channel; default: a quarter of its pixels."""
    return physics.SinglePixelCamera(_count(m, image_shape, True), image_shape, fast, ordering, rng=rng)


def StructuredRandom(
    image_shape: Shape, rng: torch.Generator, height: int | None = None, n_layers: int = 1
) -> Any:
    """Random signs and a sine transform, ``n_layers`` times; padded or cut to ``height`` rows."""
    return physics.StructuredRandom(image_shape, _stretched(image_shape, height), n_layers, rng=rng)


def RandomPhaseRetrieval(
    image_shape: Shape, rng: torch.Generator, m: int | None = None, channelwise: bool = False
) -> Any:
    """Squared magnitudes of ``m`` complex Gaussian projections; default: twice the image's values."""
    count = _count(m, image_shape, channelwise, rate=2)
    return physics.RandomPhaseRetrieval(count, image_shape, channelwise, rng=rng)


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


def _count(m: int | None, shape: Shape, channelwise: bool, rate: float = 0.25) -> int:
    """Number of measurements; by default a share of the number of values."""
    if m is not None and m < 1:
        raise ValueError(f"m must be at least 1, not {m}")
    values = math.prod(shape[-2:] if channelwise else shape)
    return m if m is not None else max(1, round(rate * values))


def _stretched(shape: Shape, height: int | None) -> Shape:
    """Shape of the output; by default as many values as the image has."""
    return (shape[0], height or shape[1], shape[2])
