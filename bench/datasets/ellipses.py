"""Random ellipse phantoms, the standard simulated images of tomography."""

import torch
from torch import Tensor

from bench.datasets import Dataset, Splits
from bench.errors import at_least, in_memory
from bench.seeding import stream

#: Ellipses per phantom.
COUNT = 50
#: Phantoms are drawn in pieces of this many, each from its own stream.
CHUNK = 64


class Ellipses(Dataset):
    """Random phantoms of 50 ellipses, for tomography; one channel.

    On the square [-1, 1]^2 a phantom is ``sum_k v_k [((R_k (p - c_k)) / a_k)^2 <= 1]`` at the pixel
    centres p, with values ``v ~ U(-0.5, 0.5) Exp(mean 0.4)``, semi-axes ``a ~ Exp(mean 0.2)``,
    centres ``c ~ U(-1, 1)`` and rotations R by ``U(0, 2 pi)``; then shifted and scaled to [0, 1] and
    rounded to 256 grey levels. The first n phantoms are the same whatever ``train`` or ``test`` is.

    Args:
        size: height and width in pixels.
        train: number of training phantoms.
        test: number of test phantoms.

    References:
        The ellipses dataset of DIVal (Leuschner, Schmidt, Erzmann 2019), after Adler and Öktem:
        Solving ill-posed inverse problems using iterative deep neural networks, 2017.
        Home: https://github.com/jleuschn/dival
    """

    def __init__(self, size: int = 64, train: int = 2000, test: int = 100):
        at_least(2, size=size)
        at_least(1, train=train, test=test)
        # A piece is drawn in float64, in about four arrays of its size.
        in_memory(max(train + test, 4 * 8 * CHUNK) * size**2, size=size, train=train, test=test)
        self.size = size
        self.train = train
        self.test = test

    def load(self) -> Splits:
        return Splits(train=self._phantoms("train", self.train), test=self._phantoms("test", self.test))

    def _phantoms(self, split: str, count: int) -> Tensor:
        phantoms = torch.empty(count, 1, self.size, self.size, dtype=torch.uint8)
        for number, piece in enumerate(phantoms.split(CHUNK)):
            generator = stream("cpu", "ellipses", split, number)
            images = draw(random_ellipses(generator), self.size)
            low, high = images.amin((1, 2), keepdim=True), images.amax((1, 2), keepdim=True)
            levels = (images - low) / (high - low).clamp_min(1e-9) * 255
            piece[:, 0] = levels.round()[: len(piece)].to(torch.uint8)
        return phantoms


def random_ellipses(generator: torch.Generator) -> Tensor:
    """Parameters of ``CHUNK`` phantoms, ``(6, CHUNK, COUNT)``: value, semi-axes, centre x, y, angle."""
    uniform = torch.rand(4, CHUNK, COUNT, generator=generator, dtype=torch.float64)
    positive = torch.empty(3, CHUNK, COUNT, dtype=torch.float64).exponential_(generator=generator)
    value = (uniform[0] - 0.5) * 0.4 * positive[0]
    return torch.stack(
        [value, 0.2 * positive[1], 0.2 * positive[2], *(2 * uniform[1:3] - 1), 2 * torch.pi * uniform[3]]
    )


def draw(ellipses: Tensor, size: int) -> Tensor:
    """Sums of ellipses at the pixel centres of [-1, 1]^2, y upwards: ``(6, B, K)`` to ``(B, size, size)``.

    An ellipse covers one interval of every pixel row: its value is added where that begins, taken
    away behind its end, and summed along the row.
    """
    value, a, b, cx, cy, angle = ellipses[:, :, None]
    y = (1 - (2 * torch.arange(size, dtype=torch.float64) + 1) / size)[:, None] - cy
    xx = (angle.cos() / a) ** 2 + (angle.sin() / b) ** 2
    xy = angle.cos() * angle.sin() * (a**-2 - b**-2)
    middle = cx - xy / xx * y
    square = xx - (y / (a * b)) ** 2
    half = square.clamp_min(0).sqrt() / xx
    start = _column(middle - half, size).ceil().clamp(0, size)
    stop = (_column(middle + half, size).floor() + 1).clamp(0, size)
    stop = torch.where(square >= 0, torch.maximum(start, stop), start)
    edges = torch.zeros(value.shape[0], size, size + 1, dtype=torch.float64)
    edges.scatter_add_(2, start.long(), value.expand_as(start))
    edges.scatter_add_(2, stop.long(), -value.expand_as(stop))
    return edges.cumsum(2)[:, :, :size]


def _column(x: Tensor, size: int) -> Tensor:
    """Column, with fraction, whose pixel centre lies at ``x``."""
    return (x + 1) * size / 2 - 0.5
