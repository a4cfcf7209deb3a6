"""What iterations that are unrolled into a network share."""

import math
from typing import cast

import torch
from torch import Tensor, nn

from bench.errors import at_least
from bench.models import NetworkModel
from bench.models.shared.linear import System, why_not_linear
from bench.operators import Operator
from bench.problem import TrainingProblem

#: Updates of the image start near zero, so that training begins at the quality of the inverse.
GAIN = 0.01


class UnrolledModel(NetworkModel):
    """A network with the operator's linear part and its adjoint inside.

    Args:
        iterations: how many are unrolled, each with weights of its own.
        memory: images (or measurements) that are carried from one to the next.
        width: channels between the convolutions.

    Raises:
        ValueError: a value below 1.
    """

    def __init__(self, iterations: int, memory: int, width: int):
        at_least(1, iterations=iterations, memory=memory, width=width)
        self.iterations, self.memory, self.width = iterations, memory, width

    def fits(self, operator: Operator) -> str:
        return why_not_linear(operator)


class OnPlane(System):
    """The operator scaled to norm 1, on images and measurements laid out as planes for convolutions.

    Of complex numbers the real parts come first, then the imaginary parts. The gradient of a linear operator
    is its adjoint, so training runs through both.

    Args:
        operator: chains and noise included.
        y: measurements of it.
    """

    def __init__(self, operator: Operator, y: Tensor):
        with full_precision(y):
            super().__init__(operator, y.device)
        self.whole, self.phase = operator, operator.image_dtype.is_complex
        self.shape, self.complex = y.shape[1:], y.is_complex()
        self.plane = as_plane(tuple(self.shape))

    def project(self, x: Tensor) -> Tensor:
        """``A x / |A|``, both as planes."""
        with full_precision(x):
            return planes(self.forward(self.image(x)).reshape(-1, *self.plane))

    def back_project(self, y: Tensor) -> Tensor:
        """``A* y / |A|``, both as planes."""
        with full_precision(y):
            return planes(self.adjoint(numbers(y, self.complex).reshape(-1, *self.shape)))

    def measured(self, y: Tensor) -> Tensor:
        """``y / |A|`` as planes."""
        return planes(self.scaled(y).reshape(-1, *self.plane))

    def start(self, y: Tensor) -> Tensor:
        """The operator's closed-form inverse where there is one, else ``A* y / |A|^2``, as planes."""
        with full_precision(y):
            if self.whole.can("inverse"):
                return planes(self.whole.inverse(y))
            return planes(self.adjoint(self.scaled(y)))

    def image(self, x: Tensor) -> Tensor:
        """The image that planes stand for."""
        return numbers(x, self.phase)


def planes(x: Tensor) -> Tensor:
    """``(B, C, H, W)`` as real numbers: of complex ones ``(B, 2 C, H, W)``, the real parts first."""
    return torch.cat([x.real, x.imag], 1) if x.is_complex() else x


def numbers(x: Tensor, phase: bool) -> Tensor:
    """What :func:`planes` was given; ``phase``: complex numbers."""
    return torch.complex(*x.float().chunk(2, 1)) if phase else x


def image_planes(problem: TrainingProblem) -> int:
    """Planes of an image."""
    return problem.image_shape[0] * (2 if problem.operator.image_dtype.is_complex else 1)


def measured_planes(operator: Operator) -> int:
    """Planes of a measurement."""
    black = torch.zeros(1, *operator.image_shape, dtype=operator.image_dtype)
    y = operator.forward(black, torch.Generator().manual_seed(0))
    return as_plane(tuple(y.shape[1:]))[0] * (2 if y.is_complex() else 1)


def full_precision(like: Tensor) -> torch.autocast:
    """No autocast: sparse products have no bfloat16, and physics needs its digits."""
    return torch.autocast(like.device.type, enabled=False)


def as_plane(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """A measurement's shape as (channels, rows, columns), for convolutions."""
    if len(shape) == 1:
        return 1, shape[0], 1
    if len(shape) == 2:
        return *shape, 1
    return math.prod(shape[:-2]), shape[-2], shape[-1]


class Update(nn.Sequential):
    """Three 3x3 convolutions with PReLU between them; Xavier weights, the last times ``gain``."""

    def __init__(self, in_channels: int, out_channels: int, width: int, gain: float = 1.0):
        first = nn.Conv2d(in_channels, width, 3, padding=1)
        middle = nn.Conv2d(width, width, 3, padding=1)
        last = nn.Conv2d(width, out_channels, 3, padding=1)
        super().__init__(first, nn.PReLU(width), middle, nn.PReLU(width), last)
        for layer, factor in ((first, 1.0), (middle, 1.0), (last, gain)):
            nn.init.xavier_uniform_(layer.weight, factor)
            nn.init.zeros_(cast(Tensor, layer.bias))
