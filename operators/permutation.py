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
        order = self.constant("order", x.device, lambda: self.order)
        return x.flatten(-2)[..., order].view_as(x)

    def inverse(self, y: Tensor) -> Tensor:
        back = self.constant("back", y.device, self.order.argsort)
        return y.flatten(-2)[..., back].view_as(y)

    def adjoint(self, y: Tensor) -> Tensor:
        return self.inverse(y)
