"""Conjugate gradients for least squares."""

from collections.abc import Iterator

import torch
from torch import Tensor

from bench.models._iterative import EarlyStopped
from bench.models.shared.linear import System, inner
from bench.space import Range


class CGLS(EarlyStopped):
    """Conjugate gradients for least squares, stopped early by the validation split; linear operators.

    Iterate k minimises ``|A x - y|^2`` over the Krylov space spanned by ``(A* A)^i A* y``, i < k;
    in exact arithmetic it reaches the least-squares solution of smallest norm. Every image of a
    batch has its own step lengths.

    Args:
        iterations: the most that are tried.

    Reference:
        Hestenes & Stiefel: Methods of conjugate gradients for solving linear systems, Journal of
        Research of the National Bureau of Standards 49(6), 1952.
    """

    space = {"iterations": Range(1, 200, log=True)}

    def __init__(self, iterations: int = 100):
        super().__init__(iterations)

    def iterates(self, system: System, y: Tensor) -> Iterator[Tensor]:
        residual = y
        gradient = direction = system.adjoint(residual)
        x, square = torch.zeros_like(gradient), inner(gradient, gradient)
        while True:
            measured = system.forward(direction)
            step = _quotient(square, inner(measured, measured).view_as(square))
            x = x + step * direction
            yield x
            residual = residual - step.view(-1, *[1] * (y.dim() - 1)) * measured
            gradient = system.adjoint(residual)
            before, square = square, inner(gradient, gradient)
            direction = gradient + _quotient(square, before) * direction


def _quotient(a: Tensor, b: Tensor) -> Tensor:
    """``a / b``, and 0 where ``b`` is 0: an image that is solved stays as it is."""
    return torch.where(b > 0, a / b, 0)
