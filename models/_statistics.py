"""Statistics of the training images."""

import torch
from torch import Tensor

from bench.problem import Problem


def mean_image(problem: Problem) -> Tensor:
    """Mean of the training images, ``(C, H, W)`` float32 in [0, 1], on the device."""
    total = torch.zeros(problem.image_shape, dtype=torch.float64)
    for images in problem.images.train.split(1024):
        total += images.sum(0, dtype=torch.int64)
    return (total / (255 * len(problem.images.train))).float().to(problem.device)


def histogram(problem: Problem) -> Tensor:
    """Share of each of the 256 grey levels among all training pixels, ``(256,)``, on the device."""
    counts = torch.zeros(256, dtype=torch.int64)
    for images in problem.images.train.split(1024):
        counts += torch.bincount(images.flatten(), minlength=256)
    return (counts / counts.sum()).float().to(problem.device)
