"""What a protocol does with images before they are compared."""

from typing import NamedTuple

import torch
from torch import Tensor

from bench.errors import BenchError
from bench.operators import Operator
from bench.operators.shared.chain import Chain
from bench.protocols import Protocol

#: BT.601: Y = 16 + 65.481 R + 128.553 G + 24.966 B, R, G, B in [0, 1].
LUMA, BLACK = (65.481, 128.553, 24.966), 16.0


class Prepared(NamedTuple):
    """Images as a protocol compares them.

    Attributes:
        image: reconstructions ``(B, C, H, W)``, real.
        truth: the true images, same shape.
        data_range: ``(B,)`` float64.
    """

    image: Tensor
    truth: Tensor
    data_range: Tensor


def prepare(
    protocol: Protocol, image: Tensor, truth: Tensor, value_range: tuple[float, float], operator: Operator
) -> Prepared:
    """Images and range as ``protocol`` wants them: magnitude, rounding, clipping, colour, border, range.

    Args:
        protocol: the choices.
        image: reconstructions ``(B, C, H, W)``; of a volume, its slices as channels.
        truth: the true images, same shape.
        value_range: lowest and highest value of the dataset's images.
        operator: what they were measured with; its ``scale`` may be the border.

    Raises:
        BenchError: luma of images that have neither one nor three channels; a border that leaves nothing.
    """
    pair = [t.abs() if t.is_complex() else t for t in (image, truth)]
    low, high = value_range
    if protocol.rounded:
        pair = [rounded(t, low, high) for t in pair]
    if protocol.clip:
        pair = [t.clamp(low, high) for t in pair]
    if protocol.colour == "luma":
        pair = [luma((t - low) / (high - low)) for t in pair]
    border = scale_of(operator) if protocol.border == "scale" else protocol.border
    pair = [cropped(t, border) for t in pair]
    width = 1.0 if protocol.colour == "luma" else high - low
    return Prepared(pair[0], pair[1], _range(protocol, pair[1], width))


def rounded(image: Tensor, low: float, high: float) -> Tensor:
    """Rounded to the nearest of 256 even steps from ``low`` to ``high``."""
    step = (high - low) / 255
    return ((image - low) / step).round().clamp(0, 255) * step + low


def luma(image: Tensor) -> Tensor:
    """Y of BT.601 over 255, ``(B, 1, H, W)``, of R, G, B in [0, 1]; grey images are their own."""
    channels = image.shape[1]
    if channels == 1:
        return image
    if channels != 3:
        raise BenchError(f"luma is of three channels (R, G, B) or of one, not of {channels}")
    weights = image.new_tensor(LUMA).view(1, 3, 1, 1)
    return ((image * weights).sum(1, keepdim=True) + BLACK) / 255


def cropped(image: Tensor, border: int) -> Tensor:
    """Without ``border`` pixels at each side."""
    height, width = image.shape[-2:]
    if min(height, width) <= 2 * border:
        raise BenchError(f"a border of {border} pixels leaves nothing of images of {height}x{width}")
    return image[..., border : height - border, border : width - border]


def scale_of(operator: Operator) -> int:
    """The factor of a super-resolution, in a chain too; 0 of other operators."""
    parts = operator.parts if isinstance(operator, Chain) else [operator]
    return next((int(part.scale) for part in parts if hasattr(part, "scale")), 0)


def _range(protocol: Protocol, truth: Tensor, width: float) -> Tensor:
    """``(B,)`` float64; of a constant truth, which has no range of its own, the dataset's."""
    values = truth.double().flatten(1)
    if protocol.range == "max-min":
        own = values.amax(1) - values.amin(1)
    elif protocol.range == "max":
        own = values.amax(1)
    else:
        own = values.new_full((len(values),), width if protocol.range == "dataset" else protocol.range)
    return torch.where(own > 0, own, width)
