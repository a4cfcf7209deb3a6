"""Linear least squares at every pixel by itself."""

from typing import Literal

import torch
from torch import Tensor

from bench.metrics.psnr import capped_psnr
from bench.models import Model
from bench.models._statistics import mean_image
from bench.operators import Operator
from bench.operators.shared.levels import bit_signs
from bench.problem import TrainingProblem
from bench.training import History

#: Ridge weights that are tried, relative to the features' mean variance; the last leaves the mean.
WEIGHTS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0, 1e3)
#: Pixels solved at a time.
CHUNK = 1024


class PixelRidge(Model):
    """Ridge regression at every pixel by itself, on the bits or the bytes of its measurement.

    ``x_p = mean_p + W_p' (f_p - mean f_p)`` with ``W_p = (F' F + w I)^-1 F' X`` at pixel p, solved in
    double precision for all pixels in batches; one weight w for all, the best on the validation
    split. Features are the channels of ``as_image``, or the bits of the channels rounded to bytes.

    On photos at 32x32 (mean: 12.9 dB) ``xor_ctr`` gives 25.45 dB from bits, 15.28 dB from bytes.

    Args:
        features: ``bits`` (8 per channel) or ``bytes`` (the channels themselves).
    """

    coefficients: Tensor
    offset: Tensor
    mean: Tensor

    def __init__(self, features: Literal["bits", "bytes"] = "bits"):
        self.features = features
        if features == "bits":
            self.uses = ("bits of bytes",)

    def fit(self, problem: TrainingProblem) -> History:
        self.mean = mean_image(problem)
        self.offset = self._mean_features(problem)
        gram, mixed = self._sums(problem)
        scale = gram.diagonal(dim1=1, dim2=2).mean().clamp_min(1e-12)
        tried = []
        for weight in WEIGHTS:
            self.coefficients = _solve(gram, mixed, weight * scale)
            tried.append((self._validate(problem), weight, self.coefficients))
        self.coefficients = max(tried, key=lambda t: t[0])[2]
        self.trials = len(WEIGHTS)
        return []

    def reconstruct(self, y: Tensor, operator: Operator, generator: torch.Generator) -> Tensor:
        features = seen(operator, y, self.features) - self.offset
        values = torch.einsum("npf,pfc->ncp", features, self.coefficients)
        return values.view(len(y), *self.mean.shape) + self.mean

    def _validate(self, problem: TrainingProblem) -> float:
        low, high = problem.value_range
        scores = [
            capped_psnr(self.reconstruct(y, operator, torch.Generator(y.device)), x, high - low)
            for y, x, operator in problem.validation_batches(64)
        ]
        return float(torch.cat(scores).mean())

    def _mean_features(self, problem: TrainingProblem) -> Tensor:
        batches = problem.training_batches(64, shuffle=False)
        total = sum(seen(b.operator, b.y, self.features).sum(0, dtype=torch.float64) for b in batches)
        assert isinstance(total, Tensor)
        return (total / problem.train_count).float()

    def _sums(self, problem: TrainingProblem) -> tuple[Tensor, Tensor]:
        """``F' F`` (P, F, F) and ``F' X`` (P, F, C) over the training pairs, at P pixels."""
        pixels, count = self.offset.shape
        gram = torch.zeros(pixels, count, count, device=problem.device)
        mixed = torch.zeros(pixels, count, len(self.mean), device=problem.device)
        for y, x, operator in problem.training_batches(256, shuffle=False):
            features = (seen(operator, y, self.features) - self.offset).transpose(0, 1)
            target = (x - self.mean).flatten(2).permute(2, 0, 1)
            gram.baddbmm_(features.mT, features)
            mixed.baddbmm_(features.mT, target)
        return gram, mixed


def seen(operator: Operator, y: Tensor, features: str) -> Tensor:
    """Features of each pixel, ``(B, H W, F)``."""
    image = operator.as_image(y).flatten(2).mT
    if features == "bytes":
        return image
    return bit_signs((255 * image).round().clamp(0, 255).to(torch.uint8)).flatten(2)


def _solve(gram: Tensor, mixed: Tensor, weight: Tensor) -> Tensor:
    eye = torch.eye(gram.shape[-1], device=gram.device, dtype=torch.float64)
    parts = zip(gram.split(CHUNK), mixed.split(CHUNK), strict=True)
    return torch.cat([torch.linalg.solve(g + weight * eye, m.double()).float() for g, m in parts])
