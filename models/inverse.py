"""The operator's closed-form inverse."""

import torch
from torch import Tensor

from bench.models import Model
from bench.operators import Operator
from bench.problem import TrainingProblem
from bench.training import History


class Inverse(Model):
    """Closed-form inverse of the operator.

    Decryption with the key, filtered back-projection; for noise, the measurement itself. Where it
    inverts exactly it is the ceiling of the operator's table, elsewhere a method among others.
    """

    seeded = False
    needs = ("inverse",)

    def role_in(self, operator: Operator) -> str:
        return "ceiling" if operator.exact_inverse else "model"

    def fit(self, problem: TrainingProblem) -> History:
        return []

    def reconstruct(self, y: Tensor, operator: Operator, generator: torch.Generator) -> Tensor:
        return operator.inverse(y)
