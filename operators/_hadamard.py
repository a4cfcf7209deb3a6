"""The fast Walsh-Hadamard transform."""

import math

import torch
from torch import Tensor


def hadamard(x: Tensor) -> Tensor:
    """Orthonormal Walsh-Hadamard transform of the last axis, its length n a power of 2.

    ``H x / sqrt(n)`` with ``H`` in Sylvester's order; it is its own inverse. n log2 n additions.
    """
    shape, size = x.shape, x.shape[-1]
    half = 1
    while half < size:
        first, second = x.reshape(*shape[:-1], -1, 2, half).unbind(-2)
        x = torch.stack([first + second, first - second], -2)
        half *= 2
    return x.reshape(shape) / math.sqrt(size)
