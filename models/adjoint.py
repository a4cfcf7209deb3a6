"""The adjoint of the operator."""

import torch
from torch import Tensor

from bench.models.shared.linear import LinearModel, System
from bench.operators import Operator
from bench.problem import TrainingProblem
from bench.training import History


class Adjoint(LinearModel):
    """The adjoint over the square of its norm, ``A* y / |A|^2``; linear operators.

    Back-projection, zero-filled MRI; where there is noise alone, the measurement. The least that a method
    which is told the operator has to beat.
    """

    seeded = False

    def fit(self, problem: TrainingProblem) -> History:
        return []

    def reconstruct(self, y: Tensor, operator: Operator, generator: torch.Generator) -> Tensor:
        system = System(operator, y.device)
        return system.operator.adjoint(y) / system.bare_norm**2
