"""Total variation."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from bench.errors import at_least
from bench.metrics.psnr import capped_psnr
from bench.models.shared.linear import LinearModel, System, choosing_pairs
from bench.operators import Operator
from bench.problem import TrainingProblem
from bench.progress import tell
from bench.space import Range
from bench.training import History

#: Weights tried first, for values in [0, 1], by factors of 10; then the best is refined by smaller factors.
COARSE = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)
FACTORS = (10**0.5, 10**0.25, 10**0.125)
#: The primal step is ``STEP / sqrt(weight)`` within these bounds (weights as for values in [0, 1]), and the
#: dual ones follow from it: about the fastest on CT, deblurring and denoising alike, whose best weights
#: differ by a factor of 1000.
STEP, LEAST_STEP, LARGEST_STEP = 0.06, 0.1, 10.0


class TV(LinearModel):
    """Total variation by a primal-dual method, weight chosen by the validation split; linear operators.

    The minimum, over x in the range of the dataset's values (over all x, where images are complex), of

        |A x - y|^2 / (2 |A|^2) + weight sum_p |(grad x)_p|

    with forward differences, and the Euclidean norm over both directions and all channels (colour
    TV: edges of the channels are drawn to one place). Chambolle and Pock's algorithm 1 with the exact
    adjoint and the operator norm by power iteration, a fixed number of iterations.

    Args:
        weight: of the total variation; default: the best by PSNR on the validation split.
        iterations: of the primal-dual method.

    Raises:
        ValueError: a value outside its range.

    Reference:
        Rudin, Osher, Fatemi: Physica D 60, 1992. Chambolle & Pock: A first-order primal-dual
        algorithm for convex problems, J. Math. Imaging Vis. 40, 2011. Blomgren & Chan: Color TV,
        IEEE TIP 7(3), 1998.
    """

    space = {"iterations": Range(50, 800, log=True)}

    chosen: Tensor
    #: Lowest and highest value of an image.
    bounds: Tensor

    def __init__(self, weight: float | None = None, iterations: int = 200):
        if weight is not None and not 0 <= weight < math.inf:
            raise ValueError(f"weight must be at least 0, not {weight}")
        at_least(1, iterations=iterations)
        self.weight = weight
        self.iterations = iterations
        self.bounds = torch.tensor((0.0, 1.0))

    @torch.no_grad()
    def fit(self, problem: TrainingProblem) -> History:
        self.bounds = torch.tensor(problem.value_range, device=problem.device)
        weight = self._best_weight(problem) if self.weight is None else self.weight
        self.chosen = torch.tensor(weight, device=problem.device)
        return []

    def reconstruct(self, y: Tensor, operator: Operator, generator: torch.Generator) -> Tensor:
        return self.minimise(System(operator, y.device), y, float(self.chosen))

    def minimise(self, system: System, y: Tensor, weight: float) -> Tensor:
        """The minimiser for one weight."""
        low, high = self.bounds.tolist()
        y = system.scaled(y)
        step = min(max(STEP / math.sqrt(max(weight / (high - low), 1e-12)), LEAST_STEP), LARGEST_STEP)
        data_step, tv_step = 0.5 / step, 0.5 / (8 * step)  # |A| = 1, |grad|^2 <= 8
        x = _within(system.adjoint(y), low, high)
        ahead, data, edges = x, torch.zeros_like(y), torch.zeros_like(gradient(x))
        for _ in range(self.iterations):
            data = (data + data_step * (system.forward(ahead) - y)) / (1 + data_step)
            edges = _shrunk(edges + tv_step * gradient(ahead), weight)
            before = x
            x = _within(x - step * (system.adjoint(data) + gradient_adjoint(edges)), low, high)
            ahead = 2 * x - before
        return x

    def _best_weight(self, problem: TrainingProblem) -> float:
        """Best weight of the coarse ones, then of its neighbours, ever nearer."""
        batches = [(System(b.operator, b.y.device), b.y, b.x) for b in choosing_pairs(problem)]
        low, high = problem.value_range
        scores: dict[float, float] = {}
        most = len(batches) * (len(COARSE) + 2 * len(FACTORS))

        def quality(weight: float) -> Iterator[float]:
            for k, (system, y, x) in enumerate(batches):
                yield float(capped_psnr(self.minimise(system, y, weight), x, high - low).sum())
                tell("choosing the weight", len(scores) * len(batches) + k + 1, most)

        def score(weight: float) -> float:
            if weight not in scores:
                scores[weight] = sum(quality(weight))
            return scores[weight]

        # The data term is quadratic in the values, the variation linear: weights grow with the range.
        best = max(((high - low) * weight for weight in COARSE), key=score)
        for factor in FACTORS:
            best = max((best, best / factor, best * factor), key=score)
        self.trials = len(scores)
        return best


def gradient(x: Tensor) -> Tensor:
    """Forward differences down and to the right, 0 at the edges: ``(B, C, H, W)`` to ``(2, B, C, H, W)``."""
    edges = x.new_zeros(2, *x.shape)
    edges[0, ..., :-1, :] = x.diff(dim=-2)
    edges[1, ..., :-1] = x.diff(dim=-1)
    return edges


def gradient_adjoint(edges: Tensor) -> Tensor:
    """Adjoint of :func:`gradient`: minus the divergence."""
    down, right = edges[0, ..., :-1, :], edges[1, ..., :-1]
    x = torch.zeros_like(edges[0])
    x[..., 1:, :] += down
    x[..., :-1, :] -= down
    x[..., 1:] += right
    x[..., :-1] -= right
    return x


def _within(x: Tensor, low: float, high: float) -> Tensor:
    """``x`` in the range of values; complex numbers have none."""
    return x if x.is_complex() else x.clamp(low, high)


def _shrunk(edges: Tensor, weight: float) -> Tensor:
    """Each pixel's gradient (both directions, all channels) brought to a length of at most ``weight``."""
    length = edges.abs().square().sum((0, 2), keepdim=True).sqrt()
    return edges * (weight / length.clamp_min(1e-30)).clamp_max(1)
