"""The mean of the training images."""

import torch
from torch import Tensor

from bench.models import Model
from bench.problem import Problem
from bench.training import History


class Mean(Model):
    """Mean of the training images: the floor of every table.

    It minimises the mean squared error among all reconstructions that ignore the measurement.
    """

    role = "floor"
    image: Tensor

    def fit(self, problem: Problem) -> History:
        total = torch.zeros(problem.image_shape, dtype=torch.float64)
        for images in problem.images.train.split(1024):
            total += images.sum(0, dtype=torch.int64)
        self.image = (total / (255 * len(problem.images.train))).float().to(problem.device)
        return []

    def reconstruct(self, y: Tensor) -> Tensor:
        return self.image.repeat(len(y), 1, 1, 1)
