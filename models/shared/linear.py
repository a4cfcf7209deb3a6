"""The linear operator behind a measurement, for models that reconstruct with it."""

from collections.abc import Iterator
from itertools import islice
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from bench.models import Model
from bench.operators import Operator
from bench.operators.shared.chain import without_noise
from bench.operators.shared.items import PerItem
from bench.problem import Batch, TrainingProblem

#: Validation images by which weights and iteration numbers are chosen, and how many at a time.
CHOOSING, CHUNK = 128, 64
#: Steps of power iteration at most, and what its result is raised by: it approaches the norm from below.
POWER_STEPS, MARGIN = 100, 1.01
#: Share of the norm that is rounding in float32: two steps in a row that change less end the iteration.
SETTLED = 2e-7
#: Norms that were found, by device; gone with their operator.
_NORMS: WeakKeyDictionary[Operator, dict[torch.device, float]] = WeakKeyDictionary()


def linear_part(operator: Operator) -> Operator:
    """The system behind what is left without noise.

    Raises:
        NotImplementedError: it is not linear, or has no adjoint.
    """
    system = without_noise(operator).system
    if not system.can("adjoint"):
        raise NotImplementedError(f"{type(system).__name__} has no adjoint")
    return system


def why_not_linear(operator: Operator) -> str:
    """Why there is no linear part, as :meth:`bench.models.Model.fits` says it; empty if there is."""
    try:
        linear_part(operator)
    except NotImplementedError as error:
        return f"it needs an operator that is linear apart from noise, with its adjoint; {error}"
    return ""


class System:
    """A linear operator scaled to norm 1, ``A / |A|``; power iteration finds a norm that it does not know.

    Args:
        operator: chains and noise included.
        device: of what it is applied to.

    Attributes:
        norm: largest singular value of the operator, at most 1 % too large; where the operator knows a bound
            itself, that bound and 1 %.
    """

    def __init__(self, operator: Operator, device: torch.device):
        self.operator = linear_part(operator)
        self.generator = torch.Generator(device)
        self.norm = 1.0
        told = self.operator.norm
        self.norm = self._found(operator, device) if told is None else MARGIN * told

    @property
    def bare_norm(self) -> float:
        """The norm without the margin by which steps are kept stable."""
        return self.norm / MARGIN

    def forward(self, x: Tensor) -> Tensor:
        """``A x / |A|``."""
        return self.operator.forward(x, self.generator) / self.norm

    def adjoint(self, y: Tensor) -> Tensor:
        """``A* y / |A|``."""
        return self.operator.adjoint(y) / self.norm

    def scaled(self, y: Tensor) -> Tensor:
        """``y / |A|``: the measurement that belongs to the scaled operator."""
        return y / self.norm

    def _found(self, operator: Operator, device: torch.device) -> float:
        known = _NORMS.setdefault(operator, {})
        if device not in known:
            known[device] = self._norm(device)
        return known[device]

    @torch.no_grad()
    def _norm(self, device: torch.device) -> float:
        if isinstance(self.operator, PerItem):
            return max(System(operator, device).norm for operator in self.operator.different)
        generator = torch.Generator().manual_seed(0)
        shape, dtype = (1, *self.operator.image_shape), self.operator.image_dtype
        x = torch.randn(shape, generator=generator, dtype=dtype).to(device)
        norm, still = 0.0, 0
        for _ in range(POWER_STEPS):
            x = self.adjoint(self.forward(x / x.norm()))
            before, norm = norm, float(x.norm().sqrt())
            if not norm:
                return 1.0
            still = still + 1 if abs(norm - before) <= SETTLED * norm else 0
            if still == 2:
                break
        return MARGIN * norm


class LinearModel(Model):
    """A model that reconstructs with the operator's linear part and its exact adjoint."""

    def fits(self, operator: Operator) -> str:
        return why_not_linear(operator)


def choosing_pairs(problem: TrainingProblem) -> Iterator[Batch]:
    """The first validation pairs, in pieces: what weights and iteration numbers are chosen by."""
    return islice(problem.validation_batches(CHUNK), CHOOSING // CHUNK)


def inner(a: Tensor, b: Tensor) -> Tensor:
    """Real part of the scalar product per image, shaped to multiply images of the shape of ``a``."""
    return (a * b.conj()).real.flatten(1).sum(1).view(-1, *[1] * (a.dim() - 1))
