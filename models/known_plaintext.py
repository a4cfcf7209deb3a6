"""What a cryptanalyst would do."""

import torch
from torch import Tensor

from bench.errors import at_least
from bench.models import Model
from bench.models._keystream import Keystream, reason_unfit, recover
from bench.models._statistics import histogram, mean_image
from bench.operators import Operator
from bench.operators.shared.levels import posterior_mean
from bench.problem import TrainingProblem
from bench.training import History


class KnownPlaintext(Model):
    """Known-plaintext attack: the keystream from training pairs, then decryption; no key given.

    The keystream byte at each place is the one that explains the training pairs best (least
    squares over its 256 values: the majority vote of the pairs, weighted for noise). Decryption
    takes each pixel's posterior mean over the 256 grey levels, with the noise that remained and the
    histogram of the training images: exact without noise. Where no keystream explains the pairs
    (a fresh iv, CBC) it answers with the mean of the training images.

    Args:
        pairs: training pairs that it looks at, at most.

    Raises:
        ValueError: pairs is less than 1.
    """

    uses = ("cipher structure",)
    stream: Tensor
    sigma: Tensor
    found: Tensor
    prior: Tensor
    mean: Tensor

    def __init__(self, pairs: int = 4096):
        at_least(1, pairs=pairs)
        self.pairs = pairs

    def fits(self, operator: Operator) -> str:
        return reason_unfit(operator)

    def fit(self, problem: TrainingProblem) -> History:
        key: Keystream = recover(problem, self.pairs)
        self.stream, self.sigma, self.found = key.stream, key.sigma, key.found
        self.prior, self.mean = histogram(problem), mean_image(problem)
        return []

    def reconstruct(self, y: Tensor, operator: Operator, generator: torch.Generator) -> Tensor:
        if not bool(self.found):
            return self.mean.expand(len(y), *self.mean.shape)
        return posterior_mean(y, self.stream, self.sigma, self.prior)
