"""A dataset seen through an operator: the (measurement, image) pairs that a model gets."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

from bench import registry
from bench.datasets import Splits
from bench.errors import UsageError
from bench.operators import Operator
from bench.operators.shared.chain import Chain
from bench.seeding import stream
from bench.spec import Component

#: Test measurements are drawn in pieces of this many images, whatever batch a model works in.
CHUNK = 64

Pair = tuple[Tensor, Tensor]


def build_operator(parts: Sequence[Component], image_shape: tuple[int, ...], seed: int) -> Operator:
    """The operator that a chain of components names, with the noise that its parts have by themselves.

    Raises:
        UsageError: unknown name or parameter, or a value that the operator refuses.
        BenchError: the code of an operator fails; the operator is named.
    """
    built: list[Operator] = []
    for part in parts:
        shape = built[-1].measurement_shape if built else image_shape
        previous = built[-1] if built else None
        built.append(part.build(registry.operators, image_shape=shape, seed=seed, previous=previous))
    chain: list[Operator] = []
    for place, operator in enumerate(built, start=1):
        noise = operator.own_noise(named=any(later.noise for later in built[place:]))
        chain += [operator] if noise is None else [operator, noise]
    return chain[0] if len(chain) == 1 else Chain(chain)


@dataclass
class Problem:
    """What a model is given: pairs to train on, pairs to choose by, and the operator itself.

    Images stay uint8; measurements are computed batch by batch on ``device``. Test measurements
    depend on (operator, dataset, seed) alone: they are drawn on the CPU, in pieces of 64 images,
    each from its own stream.

    Attributes:
        operator: the forward operator, chains included.
        images: the splits, with validation.
        seed: the run's seed.
        device: where models work.
    """

    operator: Operator
    images: Splits
    seed: int = 0
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    def __post_init__(self) -> None:
        self.images = self.images.with_validation()

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Shape of one image, ``(C, H, W)``."""
        return self.images.image_shape

    @cached_property
    def train(self) -> Tensor:
        """Training images, uint8, on the device if they fit in half of its free memory."""
        return self._placed(self.images.train)

    @cached_property
    def validation(self) -> Tensor:
        """Validation images, uint8, placed like the training images."""
        assert self.images.validation is not None
        return self._placed(self.images.validation)

    def training_batches(
        self, batch_size: int, epoch: int = 0, shuffle: bool = True, augment: bool = False
    ) -> Iterator[Pair]:
        """Pairs (measurement, image) of one epoch, on the device; noise is fresh in every epoch.

        Args:
            batch_size: images per batch; the last one may be smaller.
            epoch: number of the epoch: order, flips and noise depend on it and on the seed.
            shuffle: whether the images come in random order.
            augment: whether images are flipped at random, before the operator is applied.
        """
        count = len(self.train)
        order = torch.randperm(count, generator=stream("cpu", self.seed, "order", epoch))
        order = order if shuffle else torch.arange(count)
        generator = stream(self.device, self.seed, "train", epoch)
        for index in order.split(batch_size):
            x = self._intensities(self.train[index.to(self.train.device)])
            if augment:
                x = _flipped(x, generator)
            yield self.operator.measure(x, generator), x

    def validation_batches(self, batch_size: int) -> Iterator[Pair]:
        """Pairs of the validation split: the same at every call."""
        generator = stream(self.device, self.seed, "validation")
        for images in self.validation.split(batch_size):
            x = self._intensities(images)
            yield self.operator.measure(x, generator), x

    def test_batches(self) -> Iterator[Pair]:
        """Pairs of the test split, in pieces of 64: the same for every model and every device.

        Raises:
            BenchError: the operator broke its contract; its class is named.
        """
        for number, images in enumerate(self.images.test.split(CHUNK)):
            x = images.float() / 255
            y = self.operator.measure(x, stream("cpu", self.seed, "test", number))
            yield y.to(self.device), x.to(self.device)

    def _placed(self, images: Tensor) -> Tensor:
        if self.device.type != "cuda":
            return images
        free, _ = torch.cuda.mem_get_info(self.device)
        return images.to(self.device) if images.nbytes < free / 2 else images.pin_memory()

    def _intensities(self, images: Tensor) -> Tensor:
        return images.to(self.device, non_blocking=True).float() / 255


def _flipped(x: Tensor, generator: torch.Generator) -> Tensor:
    """Each image mirrored left to right with probability one half."""
    flip = torch.rand(len(x), 1, 1, 1, generator=generator, device=x.device) < 0.5
    return torch.where(flip, x.flip(-1), x)


def check_size(image_shape: tuple[int, ...], smallest: int, name: str) -> None:
    """Raise a UsageError if an image is smaller than ``name`` can take."""
    height, width = image_shape[-2:]
    if min(height, width) < smallest:
        raise UsageError(
            f"{name} needs images of at least {smallest}x{smallest} pixels; these are {height}x{width}"
        )
