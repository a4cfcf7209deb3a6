"""Projection along the rays of a geometry, with an exactly matched adjoint."""

import math
import warnings
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse
import torch
from torch import Tensor

from bench.operators._beams import Geometry, footprint, interpolation

#: Largest memory of a matrix and its transpose; above it, weights are made anew at each application.
MATRIX_BYTES = 2**30
#: Weights made at once: the working memory of both ways.
WEIGHTS = 2**22

Weighting = Callable[[Geometry, Tensor], tuple[Tensor, Tensor]]


class Projector:
    """The linear map of a geometry on one device: ``y[a, k] = sum_p w[a, k, p] x[p]``.

    One sparse matrix where it fits in ``MATRIX_BYTES``; above, the same weights without a matrix.

    Args:
        geometry: where rays run.
        device: of what it is applied to.
        dtype: of what it is applied to, float32 or float64.
        matrix: whether to use a matrix; default: by its size.
    """

    def __init__(
        self, geometry: Geometry, device: torch.device, dtype: torch.dtype, matrix: bool | None = None
    ):
        self.geometry = geometry
        self.device = device
        self.dtype = dtype
        self.pixels = math.prod(geometry.shape)
        self.rows = len(geometry.angles) * geometry.detectors
        entries = len(geometry.angles) * self.pixels * geometry.bins_per_pixel
        fits = 2 * entries * (dtype.itemsize + 4) <= MATRIX_BYTES
        self.has_matrix = fits if matrix is None else matrix

    def forward(self, x: Tensor) -> Tensor:
        """Project ``(N, pixels)`` to ``(N, angles * detectors)``."""
        result: Tensor = _Linear.apply(x, self._project, self._backproject)
        return result

    def adjoint(self, y: Tensor) -> Tensor:
        """Back-project ``(N, angles * detectors)`` to ``(N, pixels)`` with the same weights."""
        result: Tensor = _Linear.apply(y, self._backproject, self._project)
        return result

    def smear(self, y: Tensor) -> Tensor:
        """Sum over angles of ``y`` where each pixel falls: the last step of filtered back-projection."""
        result: Tensor = _Linear.apply(y, self._smear, self._unsmear)
        return result

    def _project(self, x: Tensor) -> Tensor:
        return self._onto_detector(x, footprint)

    def _backproject(self, y: Tensor) -> Tensor:
        return self._onto_image(y, footprint)

    def _smear(self, y: Tensor) -> Tensor:
        return self._onto_image(y, interpolation)

    def _unsmear(self, x: Tensor) -> Tensor:
        return self._onto_detector(x, interpolation)

    def _onto_detector(self, x: Tensor, weighting: Weighting) -> Tensor:
        if self.has_matrix:
            return (self._matrices[weighting][0] @ x.T).T
        y = x.new_zeros(len(x), self.rows)
        for rows, weights in self._pieces(weighting):
            y.index_add_(1, rows, x * weights)
        return y

    def _onto_image(self, y: Tensor, weighting: Weighting) -> Tensor:
        if self.has_matrix:
            return (self._matrices[weighting][1] @ y.T).T
        x = y.new_zeros(len(y), self.pixels)
        for rows, weights in self._pieces(weighting):
            x += y[:, rows] * weights
        return x

    def _pieces(self, weighting: Weighting) -> Iterator[tuple[Tensor, Tensor]]:
        """Row and weight of every pixel, one angle and one bin at a time."""
        for rows, weights in _chunks(self.geometry, weighting, self.device, self.dtype):
            for angle in range(len(rows)):
                for k in range(rows.shape[-1]):
                    yield rows[angle, :, k], weights[angle, :, k]

    @cached_property
    def _matrices(self) -> "_Matrices":
        return _Matrices(self)


class _Matrices(dict[Weighting, tuple[Tensor, Tensor]]):
    """A matrix and its transpose for each weighting, made when first asked for."""

    def __init__(self, projector: Projector):
        self.projector = projector

    def __missing__(self, weighting: Weighting) -> tuple[Tensor, Tensor]:
        matrix = self._make(weighting)
        self[weighting] = self._on_device(matrix), self._on_device(matrix.T.tocsr())
        return self[weighting]

    def _make(self, weighting: Weighting) -> scipy.sparse.csr_matrix:
        parts: list[tuple[np.ndarray[Any, Any], ...]] = []
        cpu = torch.device("cpu")
        for rows, weights in _chunks(self.projector.geometry, weighting, cpu, torch.float64):
            pixels = torch.arange(self.projector.pixels, dtype=torch.int32)[None, :, None].expand_as(rows)
            keep = weights > 0
            kept = weights[keep].to(self.projector.dtype)
            parts.append((kept.numpy(), rows[keep].int().numpy(), pixels[keep].numpy()))
        values, row, column = (np.concatenate(part) for part in zip(*parts, strict=True))
        shape = self.projector.rows, self.projector.pixels
        return scipy.sparse.csr_matrix((values, (row, column)), shape=shape)

    def _on_device(self, matrix: scipy.sparse.csr_matrix) -> Tensor:
        starts, columns, values = map(torch.from_numpy, (matrix.indptr, matrix.indices, matrix.data))
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
            tensor = torch.sparse_csr_tensor(starts, columns, values, matrix.shape, check_invariants=False)
            return tensor.to(self.projector.device)


class _Linear(torch.autograd.Function):
    """A linear map whose gradient is its adjoint."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, apply: Callable[[Tensor], Tensor], transpose: Any) -> Tensor:
        ctx.transpose = transpose
        return apply(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        return ctx.transpose(gradient), None, None


def _chunks(
    geometry: Geometry, weighting: Weighting, device: torch.device, dtype: torch.dtype
) -> Iterator[tuple[Tensor, Tensor]]:
    """Row of the sinogram and weight, each ``(angles in the chunk, pixels, bins)``."""
    per_angle = math.prod(geometry.shape) * (geometry.bins_per_pixel + 1)
    step = max(1, WEIGHTS // per_angle)
    for start in range(0, len(geometry.angles), step):
        angles = torch.tensor(geometry.angles[start : start + step], device=device, dtype=dtype)
        first, weights = weighting(geometry, angles)
        bins = first[..., None] + torch.arange(weights.shape[-1], device=device)
        inside = (bins >= 0) & (bins < geometry.detectors)
        rows = torch.arange(start, start + len(angles), device=device)[:, None, None] * geometry.detectors
        yield rows + bins.clamp(0, geometry.detectors - 1), weights * inside
