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
        """``(B, C, H, W)`` real or complex, as the physics takes it: float32 or complex64."""
        if self.kind == "plain":
            return x if x.is_complex() else x.float()
        if self.kind == "complex":
            return x.to(torch.complex64)
        single = x.reshape(-1, 1, *x.shape[2:])
        if self.kind == "single":
            return single.to(torch.complex64)
        return _parts_first(single.to(torch.complex64))[:, :, 0]

    def from_native(self, x: Tensor, dtype: torch.dtype) -> Tensor:
        """The image; of what should be real and is not, the real part."""
        if self.kind == "plain":
            return x
        if self.kind == "pairs":
            x = _complex(x[:, :, None]) if dtype.is_complex else x[:, :1]
        elif not dtype.is_complex:
            x = x.real
        return x.reshape(-1, self.channels, *x.shape[2:])


@dataclass(frozen=True)
class Layout:
    """Measurements of a physics, complex or a list of several, as one real tensor, and back without a loss.

    A real tensor stays as it is. A complex one is seen, without a copy, as its real and its imaginary parts,
    along a first axis of two; several are flattened and come one after another. Channels that were laid into
    the batch come out of it again, as an axis before those.

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
        real = [_parts_first(part) if part.is_complex() else part for part in _parts(y)]
        whole = torch.cat([part.flatten(1) for part in real], 1) if self.several else real[0]
        return whole if self.folded == 1 else whole.unflatten(0, (-1, self.folded))

    def unpack(self, y: Tensor) -> Any:
        """What :meth:`pack` was given."""
        if self.folded > 1:
            y = y.flatten(0, 1)
        if not self.several:
            return _complex(y) if self.parts[0][1] else y
        sizes = [math.prod(shape) * (2 if is_complex else 1) for shape, is_complex in self.parts]
        found = []
        for flat, (shape, is_complex) in zip(y.split(sizes, 1), self.parts, strict=True):
            part = flat.reshape(-1, *((2, *shape) if is_complex else shape))
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


def _parts_first(y: Tensor) -> Tensor:
    """``(B, ...)`` complex as ``(B, 2, ...)`` real: a view; the parts of a number lie side by side."""
    return torch.view_as_real(y).movedim(-1, 1)


def _complex(y: Tensor) -> Tensor:
    """What :func:`_parts_first` was given; a view where the parts lie side by side."""
    return torch.view_as_complex(y.movedim(1, -1).contiguous())
