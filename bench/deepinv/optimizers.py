"""deepinv's optimisation algorithms, with a data fidelity and a prior by name."""

from collections.abc import Callable
from typing import Any, ClassVar, Literal

import torch
from deepinv import optim
from torch import Tensor

from bench.deepinv.choosing import best_on_validation
from bench.deepinv.convert import native, why_not_native
from bench.errors import at_least
from bench.models import Model
from bench.models.shared.linear import System
from bench.operators import Operator
from bench.problem import TrainingProblem
from bench.training import History

Fidelity = Literal["L2", "L1"]
Prior = Literal["TV", "Tikhonov", "Wavelet", "L1", "Zero"]
#: Weights of the prior tried first, for values in [0, 1] and an operator of norm 1; then the best is refined.
COARSE, FACTORS = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0), (10**0.5, 10**0.25)
#: Steps of total variation's own iteration inside each step; it goes on from where it was.
INNER = 20

PRIORS: dict[str, Callable[[], Any]] = {
    "TV": lambda: optim.TVPrior(def_crit=0.0, n_it_max=INNER),
    "Tikhonov": optim.Tikhonov,
    "Wavelet": lambda: optim.WaveletPrior(level=2),
    "L1": optim.L1Prior,
    "Zero": optim.ZeroPrior,
}
FIDELITIES: dict[str, Callable[[], Any]] = {"L2": optim.L2, "L1": optim.L1}


class Optimizer(Model):
    """The minimum of ``f(A x, y) + lambda_reg g(x)``, A linear, by one of deepinv's algorithms.

    ``f`` is ``|A x - y|^2 / 2`` (L2) or ``sum |A x - y|`` (L1). ``g`` is the total variation, ``|x|^2 / 2``
    (Tikhonov), the absolute wavelet coefficients of db8 but for the coarsest, ``sum |x|`` (L1), or nothing
    (Zero). It starts from ``A* y / |A|^2``.

    Args:
        prior: g.
        fidelity: f.
        lambda_reg: the weight of the prior; default: the best by PSNR on the validation split.
        max_iter: steps.
        stepsize: of the algorithm; default: from the operator's norm.
    """

    method: ClassVar[str]
    #: Fidelities that it works with.
    takes: ClassVar[tuple[str, ...]] = ("L2",)
    #: The weight over ``|A|^2`` where the validation split chose it, else the weight.
    chosen: Tensor

    def __init__(
        self,
        prior: Prior = "TV",
        fidelity: Fidelity = "L2",
        lambda_reg: float | None = None,
        max_iter: int = 50,
        stepsize: float | None = None,
    ):
        at_least(1, max_iter=max_iter)
        if fidelity not in self.takes:
            raise ValueError(f"fidelity={fidelity} has no closed proximal step here; GD and PDCP take it")
        if lambda_reg is not None and not 0 <= lambda_reg < float("inf"):
            raise ValueError(f"lambda_reg must be at least 0, not {lambda_reg}")
        if stepsize is not None and not 0 < stepsize < float("inf"):
            raise ValueError(f"stepsize must be positive, not {stepsize}")
        self.prior, self.fidelity, self.max_iter, self.stepsize = prior, fidelity, max_iter, stepsize
        self.lambda_reg = 0.0 if prior == "Zero" else lambda_reg

    def fits(self, operator: Operator) -> str:
        return why_not_native(operator)

    @torch.no_grad()
    def fit(self, problem: TrainingProblem) -> History:
        weight = self.lambda_reg
        if weight is None:
            low, high = problem.value_range
            coarse = [(high - low) * value for value in COARSE]
            weight, self.trials = best_on_validation(problem, self._relative, coarse, FACTORS)
        self.chosen = torch.tensor(weight, device=problem.device)
        return []

    def reconstruct(self, y: Tensor, operator: Operator, generator: torch.Generator) -> Tensor:
        weight = float(self.chosen)
        return (
            self._relative(y, operator, weight)
            if self.lambda_reg is None
            else self.minimise(y, operator, weight)
        )

    def _relative(self, y: Tensor, operator: Operator, weight: float) -> Tensor:
        return self.minimise(y, operator, weight * System(operator, y.device).norm ** 2)

    def minimise(self, y: Tensor, operator: Operator, weight: float) -> Tensor:
        """The image for one weight."""
        given, norm = native(operator, y.device), System(operator, y.device).norm
        with torch.inference_mode(False), torch.no_grad():
            measured = given.measurement(y.clone())
            start = given.physics.A_adjoint(measured) * (1 / norm**2)
            run = getattr(optim, self.method)(
                prior=PRIORS[self.prior](),
                lambda_reg=weight,
                max_iter=self.max_iter,
                early_stop=False,
                cost_fn=lambda *_: None,  # its own is computed in every step, and used by nobody
                **self.splitting(given.physics, norm, weight, start),
            )
            x: Tensor = run(measured, given.physics)
        return given.image(x)

    def splitting(self, physics: Any, norm: float, weight: float, start: Tensor) -> dict[str, Any]:
        """Data fidelity, steps and start of the algorithm."""
        return {
            "data_fidelity": FIDELITIES[self.fidelity](),
            "stepsize": self.stepsize or 1 / norm**2,
            "custom_init": lambda y, physics: {"est": (start, start.clone())},
        }


class PGD(Optimizer):
    """Proximal gradient descent."""


class FISTA(Optimizer):
    """Accelerated proximal gradient descent."""


class GD(Optimizer):
    """Gradient descent, by a subgradient of what has no gradient."""

    takes = ("L2", "L1")

    def splitting(self, physics: Any, norm: float, weight: float, start: Tensor) -> dict[str, Any]:
        made = super().splitting(physics, norm, weight, start)
        return made | {"stepsize": self.stepsize or 1 / (norm**2 + weight)}


class HQS(Optimizer):
    """Half-quadratic splitting: proximal steps on the data and the prior in turns, by one penalty."""


class ADMM(Optimizer):
    """The alternating direction method of multipliers."""


class DRS(Optimizer):
    """Douglas-Rachford splitting."""


class PDCP(Optimizer):
    """The primal-dual method of Chambolle and Pock, split behind the operator."""

    takes = ("L2", "L1")

    def splitting(self, physics: Any, norm: float, weight: float, start: Tensor) -> dict[str, Any]:
        step = self.stepsize or 1 / norm
        return {
            "data_fidelity": FIDELITIES[self.fidelity]().d,
            "stepsize": step,
            "stepsize_dual": 1 / (step * norm**2),
            "K": physics.A,
            "K_adjoint": physics.A_adjoint,
            "custom_init": lambda y, physics: {"est": (start, start.clone(), 0 * y)},
        }


OPTIMIZERS: dict[str, type[Optimizer]] = {}
for _kind in (PGD, FISTA, GD, HQS, ADMM, DRS, PDCP):
    _kind.method = _kind.__name__
    OPTIMIZERS[_kind.__name__] = _kind
