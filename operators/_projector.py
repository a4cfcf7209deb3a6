"""Projection along the rays of a geometry, with an exactly matched adjoint."""

import hashlib
import math
import warnings
from collections.abc import Callable, Iterator
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse
import torch
from torch import Tensor
from torch.nn import functional as F

from bench.datasets.shared.cache import mapped_tensors
from bench.operators import _beams
from bench.operators._beams import Geometry, footprint, interpolation

#: Largest memory of a matrix and its transpose; above it, weights are made anew at each application.
MATRIX_BYTES = 2**30
#: A matrix from this size on, which takes a tenth of a second to make, is kept in the cache folder and
#: memory-mapped: the processes of a sweep share one copy.
MAPPED_BYTES = 2**24
#: Images times angles times pixels at once without a matrix: what a CPU's cache holds, what keeps a GPU busy.
CPU_AT_ONCE, GPU_AT_ONCE = 2**17, 2**24

Weighting = Callable[[Geometry, Tensor], tuple[Tensor, list[Tensor]]]


class Projector:
    """The linear map of a geometry on one device: ``y[a, k] = sum_p w[a, k, p] x[p]``.

    One sparse matrix where it fits in ``MATRIX_BYTES``; above, the same weights without a matrix. On a
    CPU the matrix, where it fits, was 5 to 23 times as fast (96x96 with 60 angles to 256x256 with 90,
    batches of 1 to 32, one thread). The two sum in different orders, so size decides on every device,
    never the clock: the same problem has the same measurements.

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
        self.matrix_bytes = 2 * entries * (dtype.itemsize + 4)
        self.has_matrix = self.matrix_bytes <= MATRIX_BYTES if matrix is None else matrix

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
        y = x.new_zeros(len(x), len(self.geometry.angles) * _padded(self.geometry))
        for start, weights in self._chunks(weighting, len(x)):
            for k, weight in enumerate(weights):
                y[:, k:].index_add_(1, start.flatten(), (x[:, None] * weight).flatten(1))
        margin = self.geometry.bins_per_pixel
        return y.view(len(x), -1, _padded(self.geometry))[..., margin:-margin].flatten(1)

    def _onto_image(self, y: Tensor, weighting: Weighting) -> Tensor:
        if self.has_matrix:
            return (self._matrices[weighting][1] @ y.T).T
        margin = self.geometry.bins_per_pixel
        y = F.pad(y.view(len(y), -1, self.geometry.detectors), (margin, margin)).flatten(1)
        x = y.new_zeros(len(y), self.pixels)
        for start, weights in self._chunks(weighting, len(x)):
            for k, weight in enumerate(weights):
                values = y[:, k:].index_select(1, start.flatten()).view(len(y), *start.shape)
                x += (values * weight).sum(1)
        return x

    def _chunks(self, weighting: Weighting, images: int) -> Iterator[tuple[Tensor, list[Tensor]]]:
        at_once = CPU_AT_ONCE if self.device.type == "cpu" else GPU_AT_ONCE
        return _weights(self.geometry, weighting, at_once // images, self.device, self.dtype)

    @cached_property
    def _matrices(self) -> "_Matrices":
        return _Matrices(self)


class _Matrices(dict[Weighting, tuple[Tensor, Tensor]]):
    """A matrix and its transpose for each weighting, made when first asked for."""

    def __init__(self, projector: Projector):
        self.projector = projector

    def __missing__(self, weighting: Weighting) -> tuple[Tensor, Tensor]:
        projector = self.projector
        if projector.matrix_bytes < MAPPED_BYTES:
            parts = self._parts(weighting)
        else:
            said = (
                f"{projector.geometry} {weighting.__name__} {projector.dtype} {_code()} {torch.__version__}"
            )
            name = f"projectors/{hashlib.sha256(said.encode()).hexdigest()[:32]}"
            parts = mapped_tensors(name, lambda: self._parts(weighting))
        shape = projector.rows, projector.pixels
        self[weighting] = (
            self._on_device(parts, "", shape),
            self._on_device(parts, "transposed ", shape[::-1]),
        )
        return self[weighting]

    def _parts(self, weighting: Weighting) -> dict[str, Tensor]:
        """Where rows start, columns and values, of the matrix and its transpose."""
        matrix = self._make(weighting)
        parts = {}
        for word, each in (("", matrix), ("transposed ", matrix.T.tocsr())):
            for part in ("indptr", "indices", "data"):
                parts[f"{word}{part}"] = torch.from_numpy(getattr(each, part))
        return parts

    def _make(self, weighting: Weighting) -> scipy.sparse.csr_matrix:
        parts: list[tuple[np.ndarray[Any, Any], ...]] = []
        geometry, cpu = self.projector.geometry, torch.device("cpu")
        for start, weights in _weights(geometry, weighting, CPU_AT_ONCE, cpu, torch.float64):
            pixels = torch.arange(self.projector.pixels, dtype=torch.int32).expand_as(start)
            for k, weight in enumerate(weights):
                keep = weight > 0
                kept = weight[keep].to(self.projector.dtype)
                parts.append((kept.numpy(), (start[keep] + k).int().numpy(), pixels[keep].numpy()))
        values, row, column = (np.concatenate(part) for part in zip(*parts, strict=True))
        shape = len(geometry.angles), _padded(geometry), self.projector.pixels
        matrix = scipy.sparse.csr_matrix((values, (row, column)), shape=(shape[0] * shape[1], shape[2]))
        margin = geometry.bins_per_pixel
        return matrix[np.arange(matrix.shape[0]).reshape(shape[:2])[:, margin:-margin].ravel()]

    def _on_device(self, parts: dict[str, Tensor], word: str, shape: tuple[int, ...]) -> Tensor:
        starts, columns, values = (parts[f"{word}{part}"] for part in ("indptr", "indices", "data"))
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
            tensor = torch.sparse_csr_tensor(starts, columns, values, shape, check_invariants=False)
            return tensor.to(self.projector.device)


@cache
def _code() -> str:
    """Digest of the code that a matrix depends on."""
    files = (Path(__file__), Path(_beams.__file__))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]


class _Linear(torch.autograd.Function):
    """A linear map whose gradient is its adjoint."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, apply: Callable[[Tensor], Tensor], transpose: Any) -> Tensor:
        ctx.transpose = transpose
        return apply(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        return ctx.transpose(gradient), None, None


def _weights(
    geometry: Geometry, weighting: Weighting, at_once: int, device: torch.device, dtype: torch.dtype
) -> Iterator[tuple[Tensor, list[Tensor]]]:
    """First row of the padded sinogram and weights in it and the next ones, each ``(angles, pixels)``."""
    step = max(1, at_once // math.prod(geometry.shape))
    for a in range(0, len(geometry.angles), step):
        angles = torch.tensor(geometry.angles[a : a + step], device=device, dtype=dtype)
        first, weights = weighting(geometry, angles)
        margin = geometry.bins_per_pixel
        rows = torch.arange(a, a + len(angles), device=device)[:, None] * _padded(geometry) + margin
        yield rows + first.clamp(-margin, geometry.detectors), weights


def _padded(geometry: Geometry) -> int:
    """Bins of a sinogram's row with a margin on either side, for what falls beside the detector."""
    return geometry.detectors + 2 * geometry.bins_per_pixel
