"""Resampling of images as a matrix on either side, so that the adjoint is the transposed matrix."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F


def resampling(size: int, new_size: int) -> Tensor:
    """Bicubic resampling of ``size`` samples to ``new_size``: Keys' cubic with a = -0.5, as in Pillow.

    If samples become fewer the cubic is widened accordingly (antialiasing).

    Returns:
        ``(new_size, size)`` float64; rows sum to 1.
    """
    resampled = F.interpolate(
        torch.eye(size, dtype=torch.float64)[None, None],
        size=(new_size, size),
        mode="bicubic",
        align_corners=False,
        antialias=True,
    )
    return resampled[0, 0]


def resample(rows: Tensor, columns: Tensor, x: Tensor) -> Tensor:
    """``rows @ x @ columns^T`` for each image of a batch ``(..., H, W)``."""
    return rows @ x @ columns.T


def cast(make: Callable[[int], Tensor], size: int, dtype: torch.dtype) -> Callable[[], Tensor]:
    """``make(size)`` as ``dtype``, for ``Operator.constant``."""
    return lambda: make(size).to(dtype)
