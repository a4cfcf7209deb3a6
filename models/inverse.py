"""The operator's closed-form inverse."""

from torch import Tensor

from bench.models import Model
from bench.problem import Problem
from bench.training import History


class Inverse(Model):
    """Closed-form inverse of the operator.

    Decryption with the key, filtered back-projection; for noise, the measurement itself.
    """

    role = "ceiling"
    needs = ("inverse",)

    def fit(self, problem: Problem) -> History:
        self.operator = problem.operator
        return []

    def reconstruct(self, y: Tensor) -> Tensor:
        return self.operator.inverse(y)
