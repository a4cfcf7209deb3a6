"""Resampling of images as a matrix on either side, so that the adjoint is the transposed matrix."""

import torch
from torch import Tensor
from torch.nn import functional as F


def resampling(size: int, new_size: int, dtype: torch.dtype) -> Tensor:
    """Bicubic resampling of ``size`` samples to ``new_size``, with antialiasing if they become fewer.

    Returns:
        ``(new_size, size)``; rows sum to 1.
    """
    rows = torch.eye(size, dtype=torch.float64)[:, None, :, None]
    resampled = F.interpolate(
        rows, size=(new_size, 1), mode="bicubic", align_corners=False, antialias=new_size < size
    )
    return resampled[:, 0, :, 0].T.to(dtype).contiguous()


def resample(rows: Tensor, columns: Tensor, x: Tensor) -> Tensor:
    """``rows @ x @ columns^T`` for each image of a batch ``(..., H, W)``."""
    return rows @ x @ columns.T
