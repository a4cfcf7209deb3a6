"""Statistics of the training images."""

import torch
from torch import Tensor

from bench.problem import TrainingProblem


def mean_image(problem: TrainingProblem) -> Tensor:
    """Mean of the training images, ``(C, H, W)`` float32 in [0, 1], on the device."""
    total = torch.zeros(problem.image_shape, dtype=torch.float64, device=problem.device)
    for images in problem.training_images(1024):
        total += images.sum(0, dtype=torch.float64)
    return (total / problem.train_count).float()


def histogram(problem: TrainingProblem) -> Tensor:
    """Share of each of the 256 grey levels among all training pixels, ``(256,)``, on the device."""
    counts = torch.zeros(256, dtype=torch.int64, device=problem.device)
    for images in problem.training_images(1024):
        levels = (255 * images).round().clamp(0, 255).long()
        counts += torch.bincount(levels.flatten(), minlength=256)
    return (counts / counts.sum()).float()
