"""A fixed shuffle of the pixels."""

import torch
from torch import Tensor

from bench.operators import Operator
from bench.seeding import stream


class Permutation(Operator):
    """One fixed shuffle of all pixels: linear, exactly invertible, not translation equivariant.

    ``y[c, i] = x[c, p[i]]`` with one random permutation ``p`` of the H W positions, the same for
    every image and channel. Beside the ciphers it tells apart what makes an operator hard for a
    convolutional network: it is continuous, but neighbours are torn apart.

    Args:
        image_shape: ``(C, H, W)``.
        seed: of the permutation; default: the run's.
    """

    linear = True
    exact_inverse = True

    def __init__(self, image_shape: tuple[int, ...], seed: int = 0):
        super().__init__(image_shape)
        count = self.image_shape[-2] * self.image_shape[-1]
        self.order = torch.randperm(count, generator=stream("cpu", seed, "permutation"))

    def forward(self, x: Tensor, generator: torch.Generator) -> Tensor:
        return self._shuffled(x, self.constant("order", x.device, lambda: self.order))

    def inverse(self, y: Tensor) -> Tensor:
        return self._shuffled(y, self.constant("back", y.device, self.order.argsort))

    def adjoint(self, y: Tensor) -> Tensor:
        return self.inverse(y)

    def _shuffled(self, x: Tensor, order: Tensor) -> Tensor:
        # gather is several times as fast as indexing the last axis.
        return x.flatten(-2).gather(-1, order.expand(*x.shape[:-2], -1)).view_as(x)
