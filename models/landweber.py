"""Landweber iteration."""

from collections.abc import Iterator

from torch import Tensor

from bench.models._iterative import EarlyStopped
from bench.models.shared.linear import System
from bench.space import Range


class Landweber(EarlyStopped):
    """Landweber iteration, stopped early by the validation split; linear operators.

        x_0 = 0,   x_{k+1} = x_k + A*(y - A x_k) / |A|^2

    It converges to the least-squares solution of smallest norm.

    Args:
        iterations: the most that are tried.

    Reference:
        Landweber: An iteration formula for Fredholm integral equations of the first kind,
        American Journal of Mathematics 73(3), 1951.
    """

    space = {"iterations": Range(10, 5000, log=True)}

    def __init__(self, iterations: int = 500):
        super().__init__(iterations)

    def iterates(self, system: System, y: Tensor) -> Iterator[Tensor]:
        x = system.adjoint(y)
        while True:
            yield x
            x = x + system.adjoint(y - system.forward(x))
