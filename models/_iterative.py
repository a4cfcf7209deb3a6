"""Iterations that are stopped early, at the number that is best on the validation split."""

from abc import abstractmethod
from collections.abc import Iterator
from itertools import islice

import torch
from torch import Tensor

from bench.errors import at_least
from bench.metrics.psnr import capped_psnr
from bench.models.shared.linear import LinearModel, System, choosing_pairs
from bench.operators import Operator
from bench.problem import TrainingProblem
from bench.progress import tell
from bench.training import History


class EarlyStopped(LinearModel):
    """A model that takes the iterate with the best mean PSNR on the validation split.

    Early stopping regularises: later iterates fit the noise.

    Args:
        iterations: the most that are tried.

    Raises:
        ValueError: iterations is below 1.
    """

    #: Number of the iterate that was chosen, from 1.
    chosen: Tensor

    def __init__(self, iterations: int):
        at_least(1, iterations=iterations)
        self.iterations = iterations

    @abstractmethod
    def iterates(self, system: System, y: Tensor) -> Iterator[Tensor]:
        """Images ``(B, C, H, W)`` after 1, 2, ... iterations, without end.

        Args:
            system: the operator's linear part, scaled to norm 1.
            y: measurements, scaled with it: ``system.scaled``.
        """

    @torch.no_grad()
    def fit(self, problem: TrainingProblem) -> History:
        low, high = problem.value_range
        self.trials = self.iterations
        total = torch.zeros(self.iterations, dtype=torch.float64, device=problem.device)
        for k, (y, x, operator) in enumerate(choosing_pairs(problem)):
            tell("choosing the number of iterations", k)
            images = islice(self._from(y, operator), self.iterations)
            total += torch.stack([capped_psnr(image, x, high - low).sum() for image in images])
        self.chosen = total.argmax() + 1
        return []

    def reconstruct(self, y: Tensor, operator: Operator, generator: torch.Generator) -> Tensor:
        return next(islice(self._from(y, operator), int(self.chosen) - 1, None))

    def _from(self, y: Tensor, operator: Operator) -> Iterator[Tensor]:
        system = System(operator, y.device)
        return self.iterates(system, system.scaled(y))
