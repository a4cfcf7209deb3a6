"""Measurements and images of deepinv as the one tensor that the harness knows, and back."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch
from deepinv.utils import TensorList
from torch import Tensor

#: How a physics takes an image: as it is; as complex numbers; or one channel at a time, as complex numbers or
#: as two channels, real and imaginary.
Kind = Literal["plain", "complex", "single", "pairs"]


@dataclass(frozen=True)
class Images:
    """Images ``(B, C, H, W)`` as a physics takes them, and back: linear maps, each the other's adjoint.

    Attributes:
        kind: how the physics takes them.
        channels: C.
    """

    kind: Kind
    channels: int

    @property
    def folded(self) -> int:
        """Channels that are laid into the batch."""
        return self.channels if self.kind in ("single", "pairs") else 1

    def to_native(self, x: Tensor) -> Tensor:
        """``(B, C, H, W)`` real or complex, as the physics takes it."""
        if self.kind == "plain":
            return x
        if self.kind == "complex":
            return x.to(torch.complex64)
        single = x.reshape(-1, 1, *x.shape[2:])
        if self.kind == "single":
            return single.to(torch.complex64)
        if single.is_complex():
            return torch.cat([single.real, single.imag], 1)
        return torch.cat([single, torch.zeros_like(single)], 1)

    def from_native(self, x: Tensor, dtype: torch.dtype) -> Tensor:
        """The image; of what should be real and is not, the real part."""
        if self.kind == "plain":
            return x
        if self.kind == "pairs":
            x = torch.complex(x[:, :1], x[:, 1:]) if dtype.is_complex else x[:, :1]
        elif not dtype.is_complex:
            x = x.real
        return x.reshape(-1, self.channels, *x.shape[2:])


@dataclass(frozen=True)
class Layout:
    """Measurements of a physics, complex or a list of several, as one real tensor, and back without a loss.

    A real tensor stays as it is. Of a complex one come the real parts, then the imaginary parts, along the
    first axis; several are flattened and come one after another. Channels that were laid into the batch come
    out of it again.

    Attributes:
        parts: shape and whether it is complex of each part of one measurement.
        several: whether it is a list.
        folded: channels that are laid into the batch.
    """

    parts: tuple[tuple[tuple[int, ...], bool], ...]
    several: bool
    folded: int = 1

    @classmethod
    def of(cls, y: Tensor | TensorList, folded: int = 1) -> "Layout":
        """The layout of measurements like ``y``."""
        several = not isinstance(y, Tensor)
        parts = tuple((tuple(part.shape[1:]), part.is_complex()) for part in _parts(y))
        return cls(parts, several, folded)

    @property
    def plain(self) -> bool:
        """Whether measurements are as the physics gives them."""
        return not self.several and not self.parts[0][1] and self.folded == 1

    def pack(self, y: Tensor | TensorList) -> Tensor:
        """One real tensor ``(B, *measurement_shape)``."""
        real = [torch.cat([part.real, part.imag], 1) if part.is_complex() else part for part in _parts(y)]
        whole = torch.cat([part.flatten(1) for part in real], 1) if self.several else real[0]
        if self.folded == 1:
            return whole
        return whole.reshape(-1, self.folded * whole.shape[1], *whole.shape[2:])

    def unpack(self, y: Tensor) -> Any:
        """What :meth:`pack` was given."""
        if self.folded > 1:
            y = y.reshape(len(y) * self.folded, -1, *y.shape[2:])
        if not self.several:
            return _complex(y) if self.parts[0][1] else y
        sizes = [math.prod(shape) * (2 if is_complex else 1) for shape, is_complex in self.parts]
        found = []
        for flat, (shape, is_complex) in zip(y.split(sizes, 1), self.parts, strict=True):
            full = (2 * shape[0], *shape[1:]) if is_complex else shape
            part = flat.reshape(-1, *full)
            found.append(_complex(part) if is_complex else part)
        return TensorList(found)


@contextmanager
def forked(generator: torch.Generator) -> Iterator[None]:
    """A block whose global random numbers hang on ``generator``; the global state is left as it was.

    For the parts of deepinv that take no generator. One number of the generator is used.
    """
    seed = int(torch.randint(2**62, (), generator=generator, device=generator.device))
    devices = [generator.device] if generator.device.type == "cuda" else []
    with torch.random.fork_rng(devices):
        torch.manual_seed(seed)
        yield


def _parts(y: Tensor | TensorList) -> list[Tensor]:
    return [y] if isinstance(y, Tensor) else list(y)


def _complex(y: Tensor) -> Tensor:
    real, imaginary = y.chunk(2, 1)
    return torch.complex(real, imaginary)
