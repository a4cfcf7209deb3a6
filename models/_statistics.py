"""Statistics of the training images."""

import torch
from torch import Tensor

from bench.errors import UsageError
from bench.problem import TrainingProblem


def mean_image(problem: TrainingProblem) -> Tensor:
    """Mean of the training images, ``(C, H, W)`` float32 or complex64, on the device; summed in 64 bits."""
    total: Tensor | float = 0.0
    dtype = torch.float32
    for images in problem.training_images(1024):
        dtype = images.dtype
        total = total + images.sum(0, dtype=torch.complex128 if images.is_complex() else torch.float64)
    assert isinstance(total, Tensor)
    return (total / problem.train_count).to(dtype)


def histogram(problem: TrainingProblem) -> Tensor:
    """Share of each of the 256 grey levels among all training pixels, ``(256,)``, on the device.

    Raises:
        UsageError: images that are not made of the 256 levels ``v / 255``.
    """
    counts = torch.zeros(256, dtype=torch.int64, device=problem.device)
    for images in problem.training_images(1024):
        levels = (255 * images).round().clamp(0, 255)
        if wrong := (levels / 255 != images).sum():
            raise UsageError(
                f"a prior over 256 grey levels needs 8-bit images; of these {images.numel()} training values "
                f"{int(wrong)} lie between the levels v / 255 or outside [0, 1]"
            )
        counts += torch.bincount(levels.flatten().long(), minlength=256)
    return (counts / counts.sum()).float()
