"""The posterior mean of each pixel, from the operator itself."""

import torch
from torch import Tensor

from bench.models import Model
from bench.models._statistics import histogram
from bench.operators import Operator
from bench.problem import TrainingProblem
from bench.training import History


class PosteriorMean(Model):
    """Exact posterior mean per pixel, the key and the noise known.

    ``E[x | y] = sum_v p(y | v) p(v) v / 255 / sum_v p(y | v) p(v)`` over the 256 grey levels v; the
    prior p(v) is the histogram of the training images. No method that looks at one pixel and one
    colour at a time has a smaller mean squared error; one that uses the neighbourhood can, so this
    ranks among the methods and is no ceiling.
    """

    seeded = False
    needs = ("posterior_mean",)
    prior: Tensor

    def fit(self, problem: TrainingProblem) -> History:
        self.prior = histogram(problem)
        return []

    def reconstruct(self, y: Tensor, operator: Operator, generator: torch.Generator) -> Tensor:
        return operator.posterior_mean(y, None, self.prior)
