"""Iterations that are stopped early, at the number that is best on the validation split."""

from abc import abstractmethod
from collections.abc import Iterator
from itertools import islice

import torch
from torch import Tensor

from bench.errors import at_least
from bench.metrics.psnr import capped_psnr
from bench.models._linear import LinearModel, choosing_pairs
from bench.problem import TrainingProblem
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
    def iterates(self, y: Tensor) -> Iterator[Tensor]:
        """Images ``(B, C, H, W)`` after 1, 2, ... iterations, without end."""

    @torch.no_grad()
    def fit(self, problem: TrainingProblem) -> History:
        self.prepare(problem)
        total = torch.zeros(self.iterations, dtype=torch.float64, device=problem.device)
        for y, x, _ in choosing_pairs(problem):
            scores = [capped_psnr(image, x).sum() for image in islice(self.iterates(y), self.iterations)]
            total += torch.stack(scores)
        self.chosen = total.argmax() + 1
        return []

    @torch.no_grad()
    def reconstruct(self, y: Tensor) -> Tensor:
        return next(islice(self.iterates(y), int(self.chosen) - 1, None))
