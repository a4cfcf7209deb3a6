"""What iterations that are unrolled into a network share."""

import math
from typing import cast

import torch
from torch import Tensor, nn

from bench.errors import at_least
from bench.models import NetworkModel
from bench.models._linear import System, why_not_linear
from bench.operators import Operator

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
    """The operator scaled to norm 1, on measurements laid out as images for convolutions.

    The gradient of a linear operator is its adjoint, so training runs through both.

    Args:
        operator: chains and noise included.
        y: measurements of it.
    """

    def __init__(self, operator: Operator, y: Tensor):
        with full_precision(y):
            super().__init__(operator, y.device)
        self.whole = operator
        self.shape = y.shape[1:]
        self.plane = as_plane(tuple(self.shape))

    def project(self, x: Tensor) -> Tensor:
        """``A x / |A|``, laid out as an image."""
        with full_precision(x):
            return self.forward(x).reshape(-1, *self.plane)

    def back_project(self, y: Tensor) -> Tensor:
        """``A* y / |A|`` of measurements laid out as images."""
        with full_precision(y):
            return self.adjoint(y.reshape(-1, *self.shape))

    def measured(self, y: Tensor) -> Tensor:
        """``y / |A|``, laid out as an image."""
        return self.scaled(y).reshape(-1, *self.plane)

    def start(self, y: Tensor) -> Tensor:
        """The operator's closed-form inverse where there is one, else ``A* y / |A|^2``."""
        with full_precision(y):
            if self.whole.can("inverse"):
                return self.whole.inverse(y)
            return self.adjoint(self.scaled(y))


def full_precision(like: Tensor) -> torch.autocast:
    """No autocast: sparse products have no bfloat16, and physics needs its digits."""
    return torch.autocast(like.device.type, enabled=False)


def as_plane(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """A measurement's shape as (channels, rows, columns), for convolutions."""
    if len(shape) == 1:
        return 1, shape[0], 1
    return shape[0], shape[1], math.prod(shape[2:])


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
