"""One number of a method, chosen on the validation split."""

from collections.abc import Callable, Sequence

from torch import Tensor

from bench.metrics.psnr import capped_psnr
from bench.models.shared.linear import choosing_pairs
from bench.operators import Operator
from bench.problem import TrainingProblem
from bench.progress import tell


def best_on_validation(
    problem: TrainingProblem,
    image: Callable[[Tensor, Operator, float], Tensor],
    coarse: Sequence[float],
    factors: Sequence[float],
) -> tuple[float, int]:
    """The value of the highest PSNR on the validation split, and how many values were tried.

    Args:
        problem: its first validation pairs are used.
        image: the reconstruction from measurements, operator and value.
        coarse: values tried first.
        factors: the best is then refined by each, up and down.
    """
    low, high = problem.value_range
    batches = list(choosing_pairs(problem))
    scores: dict[float, float] = {}

    def score(value: float) -> float:
        if value not in scores:
            images = (image(b.y, b.operator, value) for b in batches)
            quality = [capped_psnr(x, b.x, high - low) for x, b in zip(images, batches, strict=True)]
            scores[value] = sum(float(q.nan_to_num(-1e9).sum()) for q in quality)
            tell("choosing", len(scores), len(coarse) + 2 * len(factors))
        return scores[value]

    best = max(coarse, key=score)
    for factor in factors:
        best = max((best, best / factor, best * factor), key=score)
    return best, len(scores)
