"""Compressed sensing."""

import math
from functools import partial
from typing import Literal

import torch
from torch import Tensor

from bench.operators import Operator
from bench.operators._checks import share
from bench.operators._hadamard import hadamard
from bench.seeding import stream

#: Largest Gaussian matrix.
MATRIX_BYTES = 2**30


class CompressedSensing(Operator):
    """Compressed sensing: random Gaussian rows, or rows of a scrambled Hadamard transform.

        y = A x   per channel, x (B, C, H, W) flattened to n = H W values, y (B, C, m), m = rate n

    ``gaussian``: entries N(0, 1/n), one matrix for every image and channel. ``hadamard``: signs flipped
    at random, the orthonormal Walsh-Hadamard transform, m of its rows at random (n is padded with
    zeros to a power of 2): no matrix, for large images. ``inverse`` is the pseudo-inverse
    ``A* (A A*)^-1 y``, for Hadamard rows the adjoint (the same where n is a power of 2); a network
    sees the adjoint ``A* y``.

    The default rate of 25 % is one of ISTA-Net's 1, 4, 10, 25 and 50 % (Zhang & Ghanem, CVPR 2018),
    here of the whole image, there of blocks of 33x33.

    Args:
        image_shape: ``(C, H, W)``.
        rate: measurements per pixel, in (0, 1].
        matrix: ``gaussian`` or ``hadamard``.
        seed: of signs and rows; default: the run's.

    Raises:
        ValueError: rate is not in (0, 1], or a Gaussian matrix would be larger than 1 GiB.
    """

    linear = True

    def __init__(
        self,
        image_shape: tuple[int, ...],
        rate: float = 0.25,
        matrix: Literal["gaussian", "hadamard"] = "gaussian",
        seed: int = 0,
    ):
        super().__init__(image_shape)
        share(rate=rate)
        self.matrix, self.seed = matrix, seed
        self.pixels = math.prod(self.image_shape[-2:])
        self.count = max(1, round(rate * self.pixels))
        if matrix == "gaussian" and 4 * self.count * self.pixels > MATRIX_BYTES:
            largest = math.floor(1e4 * MATRIX_BYTES / 4 / self.pixels**2) / 1e4
            raise ValueError(
                f"a Gaussian matrix of {self.count} x {self.pixels} would take "
                f"{4 * self.count * self.pixels / 2**30:.1f} GiB, more than {MATRIX_BYTES / 2**30:g} GiB; "
                f"choose matrix=hadamard, a rate of at most {largest:g}, "
                f"or smaller images"
            )
        if matrix == "hadamard":
            self.padded = 2 ** math.ceil(math.log2(self.pixels))
            random = stream("cpu", seed, "hadamard")
            self.signs = torch.randint(2, (self.pixels,), generator=random) * 2 - 1
            self.rows = torch.randperm(self.padded, generator=random)[: self.count].sort().values

    def forward(self, x: Tensor, generator: torch.Generator) -> Tensor:
        flat = x.flatten(-2)
        if self.matrix == "gaussian":
            return flat @ self._matrix(x).T
        padding = self.padded - self.pixels
        scrambled = torch.nn.functional.pad(flat * self._on(x, "signs"), (0, padding))
        return hadamard(scrambled)[..., self._on(x, "rows")]

    def adjoint(self, y: Tensor) -> Tensor:
        if self.matrix == "gaussian":
            flat = y @ self._matrix(y)
        else:
            spectrum = y.new_zeros(*y.shape[:-1], self.padded).index_copy(-1, self._on(y, "rows"), y)
            flat = hadamard(spectrum)[..., : self.pixels] * self._on(y, "signs")
        return flat.reshape(-1, *self.image_shape)

    def inverse(self, y: Tensor) -> Tensor:
        if self.matrix == "gaussian":
            factor = self.constant(f"factor {y.dtype}", y.device, partial(self._factor, y))
            # All channels of all images as columns: one image each would copy the factor for each.
            y = torch.cholesky_solve(y.flatten(0, -2).mT, factor).mT.reshape(y.shape)
        return self.adjoint(y)

    def as_image(self, y: Tensor) -> Tensor:
        return self.adjoint(y)

    def _matrix(self, like: Tensor) -> Tensor:
        def make() -> Tensor:
            random = stream("cpu", self.seed, "gaussian")
            rows = torch.randn(self.count, self.pixels, generator=random) / math.sqrt(self.pixels)
            return rows.to(like.dtype)

        return self.constant(f"matrix {like.dtype}", like.device, make)

    def _factor(self, like: Tensor) -> Tensor:
        """Cholesky factor of ``A A*``, computed in float64."""
        matrix = self._matrix(like).double()
        factor: Tensor = torch.linalg.cholesky(matrix @ matrix.T)
        return factor.to(like.dtype)

    def _on(self, like: Tensor, name: str) -> Tensor:
        return self.constant(name, like.device, lambda: getattr(self, name))
