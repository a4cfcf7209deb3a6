"""The mean of the training images."""

import torch
from torch import Tensor

from bench.models import Model
from bench.models._statistics import mean_image
from bench.operators import Operator
from bench.problem import TrainingProblem
from bench.training import History


class Mean(Model):
    """Mean of the training images: the floor of every table.

    It minimises the mean squared error among all reconstructions that ignore the measurement. For a test
    image of another size than training's windows, it is the mean level of each channel.
    """

    role = "floor"
    seeded = False
    image: Tensor

    def fit(self, problem: TrainingProblem) -> History:
        self.image = mean_image(problem)
        return []

    def reconstruct(self, y: Tensor, operator: Operator, generator: torch.Generator) -> Tensor:
        count, shape = len(y), operator.image_shape
        if self.image.shape == shape:
            return self.image.repeat(count, 1, 1, 1)
        return self.image.mean((1, 2), keepdim=True).expand(count, *shape).clone()
