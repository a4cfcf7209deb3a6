"""Projection along the rays of a geometry, with an exactly matched adjoint."""

import hashlib
import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse
import torch
from torch import Tensor
from torch.nn import functional as F

from bench.datasets.shared.cache import mapped_tensors
from bench.operators import _beams, _symmetry
from bench.operators._beams import Geometry, footprint, interpolation
from bench.operators._symmetry import Symmetry, symmetry

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

    One sparse matrix where it fits in ``MATRIX_BYTES``; where its rows for one ray of each orbit of the
    geometry's symmetry do, about an eighth, these, applied to the image turned and reflected; above, the
    same weights without a matrix. On a CPU the matrix, where it fits, was 5 to 23 times as fast (96x96 with
    60 angles to 256x256 with 90, batches of 1 to 32, one thread), and an eighth of one 29 to 59 times
    (LoDoPaB-CT's geometry, one image). They sum in different orders, so size decides on every device, never
    the clock: the same problem has the same measurements.

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
        self.symmetry: Symmetry | None = None
        if matrix is None and MATRIX_BYTES < self.matrix_bytes <= 8 * MATRIX_BYTES:
            self.symmetry = symmetry(geometry)
        if self.symmetry is not None:
            self.matrix_bytes = self.matrix_bytes * len(self.symmetry.rows) // self.rows
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
            return self._by_matrix(self._matrices[weighting][0], x)
        y = x.new_zeros(len(x), len(self.geometry.angles) * _padded(self.geometry))
        for start, weights in self._chunks(weighting, len(x)):
            for k, weight in enumerate(weights):
                y[:, k:].index_add_(1, start.flatten(), (x[:, None] * weight).flatten(1))
        margin = self.geometry.bins_per_pixel
        return y.view(len(x), -1, _padded(self.geometry))[..., margin:-margin].flatten(1)

    def _onto_image(self, y: Tensor, weighting: Weighting) -> Tensor:
        if self.has_matrix:
            return self._by_transpose(self._matrices[weighting][1], y)
        margin = self.geometry.bins_per_pixel
        y = F.pad(y.view(len(y), -1, self.geometry.detectors), (margin, margin)).flatten(1)
        x = y.new_zeros(len(y), self.pixels)
        for start, weights in self._chunks(weighting, len(x)):
            for k, weight in enumerate(weights):
                values = y[:, k:].index_select(1, start.flatten()).view(len(y), *start.shape)
                x += (values * weight).sum(1)
        return x

    def _by_matrix(self, matrix: Tensor, x: Tensor) -> Tensor:
        if (group := self.symmetry) is None:
            return (matrix @ x.T).T
        return torch.cat([group.spread(matrix @ group.turned(part)) for part in self._pieces(x)])

    def _by_transpose(self, matrix: Tensor, y: Tensor) -> Tensor:
        if (group := self.symmetry) is None:
            return (matrix @ y.T).T
        return torch.cat([group.turned_back(matrix @ group.gathered(part)) for part in self._pieces(y)])

    def _pieces(self, values: Tensor) -> tuple[Tensor, ...]:
        """Of a batch that is multiplied eight times: as much as a CPU's cache holds, as keeps a GPU busy."""
        parts: tuple[Tensor, ...] = values.split(1 if self.device.type == "cpu" else 32)
        return parts

    def _chunks(self, weighting: Weighting, images: int) -> Iterator[tuple[Tensor, list[Tensor]]]:
        at_once = CPU_AT_ONCE if self.device.type == "cpu" else GPU_AT_ONCE
        every = range(len(self.geometry.angles))
        return _weights(self.geometry, weighting, at_once // images, self.device, self.dtype, every)

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
        shape = len(parts["indptr"]) - 1, projector.pixels
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
        geometry, number = self.projector.geometry, self._numbers()
        rows, cpu = int(number.max()) + 1, torch.device("cpu")
        views = (number.view(-1, _padded(geometry)) >= 0).any(1).nonzero().flatten().tolist()
        blocks = [
            self._block(start, weights, number, rows)
            for start, weights in _weights(geometry, weighting, CPU_AT_ONCE, cpu, torch.float64, views)
        ]
        # Views come in the order of their rows: one block's entries stand behind those of the one before.
        data, indices = (np.concatenate([getattr(b, part) for b in blocks]) for part in ("data", "indices"))
        starts = sum(block.indptr for block in blocks)
        return scipy.sparse.csr_matrix((data, indices, starts), shape=(rows, self.projector.pixels))

    def _numbers(self) -> Tensor:
        """The matrix's row of each bin of the padded sinogram, -1 where it has none."""
        geometry, group = self.projector.geometry, self.projector.symmetry
        number = torch.full((self.projector.rows,), -1)
        rows = torch.arange(len(number)) if group is None else group.rows
        number[rows] = torch.arange(len(rows))
        margin = geometry.bins_per_pixel
        return F.pad(number.view(-1, geometry.detectors), (margin, margin), value=-1).flatten()

    def _block(
        self, start: Tensor, weights: list[Tensor], number: Tensor, rows: int
    ) -> scipy.sparse.csr_matrix:
        """The matrix's rows of some views, the others empty."""
        parts: list[tuple[np.ndarray[Any, Any], ...]] = []
        pixels = torch.arange(self.projector.pixels, dtype=torch.int32).expand_as(start)
        for k, weight in enumerate(weights):
            row = number[start + k]
            keep = (weight > 0) & (row >= 0)
            kept = weight[keep].to(self.projector.dtype)
            parts.append((kept.numpy(), row[keep].int().numpy(), pixels[keep].numpy()))
        values, row_of, column = (np.concatenate(part) for part in zip(*parts, strict=True))
        return scipy.sparse.csr_matrix((values, (row_of, column)), shape=(rows, self.projector.pixels))

    def _on_device(self, parts: dict[str, Tensor], word: str, shape: tuple[int, ...]) -> Tensor:
        starts, columns, values = (parts[f"{word}{part}"] for part in ("indptr", "indices", "data"))
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
            tensor = torch.sparse_csr_tensor(starts, columns, values, shape, check_invariants=False)
            return tensor.to(self.projector.device)


@cache
def _code() -> str:
    """Digest of the code that a matrix depends on."""
    files = (Path(__file__), Path(_beams.__file__), Path(_symmetry.__file__))
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
    geometry: Geometry,
    weighting: Weighting,
    at_once: int,
    device: torch.device,
    dtype: torch.dtype,
    views: Sequence[int],
) -> Iterator[tuple[Tensor, list[Tensor]]]:
    """First row of the padded sinogram and weights in it and the next ones, each ``(angles, pixels)``."""
    step = max(1, at_once // math.prod(geometry.shape))
    margin = geometry.bins_per_pixel
    for a in range(0, len(views), step):
        numbers = views[a : a + step]
        angles = torch.tensor([geometry.angles[n] for n in numbers], device=device, dtype=dtype)
        first, weights = weighting(geometry, angles)
        rows = torch.tensor(numbers, device=device)[:, None] * _padded(geometry) + margin
        yield rows + first.clamp(-margin, geometry.detectors), weights


def _padded(geometry: Geometry) -> int:
    """Bins of a sinogram's row with a margin on either side, for what falls beside the detector."""
    return geometry.detectors + 2 * geometry.bins_per_pixel
