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

    It minimises the mean squared error among all reconstructions that ignore the measurement.
    """

    role = "floor"
    image: Tensor

    def fit(self, problem: TrainingProblem) -> History:
        self.image = mean_image(problem)
        return []

    def reconstruct(self, y: Tensor, operator: Operator, generator: torch.Generator) -> Tensor:
        return self.image.repeat(len(y), 1, 1, 1)
